from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import ddbench_evaluators
from ddbench_evaluators.standard import Standard

RECIPES = Path(ddbench_evaluators.__file__).parent / "recipes"
CIFAR = {
    "epochs": 400,
    "batch_size": 128,
    "optimizer": "adamw",
    "learning_rate": 0.001,
    "weight_decay": 0.01,
    "decay": "all",
    "schedule": "cosine",
    "warmup_epochs": 0,
    "padding": 4,
    "min_scale": 1.0,
    "flip": True,
    "mixup": 0.8,
    "cutmix": 0.0,
    "squared_temperature": False,
    "test_every": 10,
}
TINY = {
    "epochs": 200,
    "batch_size": 64,
    "optimizer": "sgd",
    "learning_rate": 0.2,
    "momentum": 0.9,
    "weight_decay": 0.0001,
    "decay": "all",
    "schedule": "cosine",
    "warmup_epochs": 5,
    "padding": 0,
    "min_scale": 0.08,
    "flip": True,
    "mixup": 0.0,
    "cutmix": 1.0,
    "partner": "roll",
    "squared_temperature": True,
    "test_every": 1,
}
IMAGENET = {
    "epochs": 300,
    "batch_size": 128,
    "optimizer": "adamw",
    "learning_rate": 0.001,
    "weight_decay": 0.01,
    "decay": "matrices",
    "schedule": "cosine",
    "warmup_epochs": 0,
    "padding": 0,
    "min_scale": 0.08,
    "flip": True,
    "mixup": 0.0,
    "cutmix": 1.0,
    "partner": "permutation",
    "squared_temperature": False,
    "test_every": 10,
}
PUBLISHED = {"cifar10": CIFAR, "cifar100": CIFAR, "tiny-imagenet": TINY, "imagenet1k": IMAGENET}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_holds_the_validation_of_the_papers_code(name: str) -> None:
    recipe: dict[str, Any] = tomllib.loads((RECIPES / f"{name}.toml").read_text())["standard"]
    exam = Standard(**recipe)
    assert {field: getattr(exam, field) for field in PUBLISHED[name]} == PUBLISHED[name]


def test_digits_are_not_mirrored() -> None:
    exam = Standard(**tomllib.loads((RECIPES / "digits.toml").read_text())["standard"])
    assert not exam.flip


def test_the_defaults_are_the_cifar_recipe() -> None:
    assert {field: getattr(Standard(), field) for field in CIFAR} == CIFAR
