from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import ddbench_teachers
from ddbench.kit import rng
from ddbench.kit.train import score
from ddbench.testing.toys import ToyDataset, ToyNet
from ddbench.types import Compute, Place, SqueezeTask
from ddbench_teachers.training import Train

PLACE = Place(Path(), Path())
DATA, TRAIN, TEST = ToyDataset().spec(PLACE), ToyDataset().open("train", PLACE), ToyDataset().open("test", PLACE)
RECIPES = Path(ddbench_teachers.__file__).parent / "recipes"
SHORT: dict[str, Any] = {"epochs": 8, "batch_size": 16, "padding": 1, "flip": False}
CIFAR = {
    "epochs": 200,
    "batch_size": 128,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "warmup_epochs": 0,
    "padding": 4,
    "min_scale": 1.0,
    "flip": True,
}
TINY = {
    "epochs": 100,
    "batch_size": 256,
    "optimizer": "sgd",
    "learning_rate": 0.2,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "schedule": "cosine",
    "warmup_epochs": 5,
    "padding": 0,
    "min_scale": 0.08,
    "flip": True,
}
PUBLISHED = {"cifar10": CIFAR, "cifar100": CIFAR, "tiny-imagenet": TINY}


def build() -> nn.Module:
    with rng.seeded(0, "weights"):
        return ToyNet().build(DATA)


def squeeze(seed: int = 0, **options: Any) -> tuple[nn.Module, list[dict[str, float]]]:
    told: list[dict[str, float]] = []
    compute = Compute(torch.device("cpu"), "float32", seed, lambda done, total, **numbers: told.append(numbers))
    return Train(**{**SHORT, **options}).squeeze(SqueezeTask(DATA, TRAIN, TEST, build, compute)), told


def test_a_teacher_learns_what_can_be_told_apart_and_tells_how_far_it_is() -> None:
    teacher, told = squeeze()
    compute = Compute(torch.device("cpu"), "float32", 0, lambda *_, **__: None)
    scored = score(teacher, TEST, DATA, compute)
    assert scored.top1 > 90
    assert told[-1]["top1"] == scored.top1
    assert told[-1]["loss"] < 0.5


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    first, again, other = (squeeze(seed)[0].state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["0.weight"], other["0.weight"])


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_holds_the_squeeze_of_the_papers_code(name: str) -> None:
    teacher = Train(**tomllib.loads((RECIPES / f"{name}.toml").read_text())["train"])
    assert {field: getattr(teacher, field) for field in PUBLISHED[name]} == PUBLISHED[name]


def test_every_recipe_builds_its_teacher() -> None:
    names = {path.stem for path in RECIPES.glob("*.toml")}
    assert names == {*PUBLISHED, "imagenet1k", "imagenet10", "digits"}
    for name in names:
        teacher = Train(**tomllib.loads((RECIPES / f"{name}.toml").read_text())["train"])
        assert teacher.flip is (name != "digits")


@pytest.mark.parametrize("options", [{"padding": 4, "min_scale": 0.5}, {"epochs": 5, "warmup_epochs": 6}])
def test_parameters_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"exclude each other|leaves none"):
        Train(**options)
