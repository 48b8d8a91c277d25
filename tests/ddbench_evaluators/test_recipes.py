from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import ddbench_evaluators
from ddbench.registry import settled
from ddbench_evaluators.standard import Standard

RECIPES = Path(ddbench_evaluators.__file__).parent / "recipes"
EXAMS = ("standard", "dwa", "sre2l", "rded", "continual")  # and minimax

# What the authors' code does (its scripts where they set something), and the paper's tables where it agrees.
CIFAR: dict[str, Any] = {
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
TINY: dict[str, Any] = {
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
IMAGENET: dict[str, Any] = {
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
RDED: dict[str, Any] = {
    "epochs": 300,
    "optimizer": "adamw",
    "learning_rate": 0.001,
    "weight_decay": 0.01,
    "decay": "matrices",
    "schedule": "half-cosine",
    "warmup_epochs": 0,
    "padding": 0,
    "flip": True,
    "mixup": 0.0,
    "cutmix": 1.0,
    "partner": "permutation",
    "squared_temperature": False,
    "test_every": 10,
    "reports": "best",
    "labels": {"temperature": 20.0, "teacher_mode": "eval"},
}
# Minimax Diffusion's code for ten classes of ImageNet, which is IDC's: SGD of 0.01, momentum 0.9, decay 5e-4, times 0.2
# at two thirds and five sixths, batches of 64; crops of half the area and more, mirrors, colour jitter of 0.4, lighting
# of 0.1, CutMix on every batch, one test every hundredth of the epochs, of which the best is told.
MINIMAX: dict[str, Any] = {
    "epochs": 1500,
    "batch_size": 64,
    "optimizer": "sgd",
    "learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 0.0005,
    "decay": "all",
    "schedule": "late-steps",
    "warmup_epochs": 0,
    "padding": 0,
    "min_scale": 0.5,
    "flip": True,
    "brightness": 0.4,
    "contrast": 0.4,
    "saturation": 0.4,
    "lighting": 0.1,
    "mixup": 0.0,
    "cutmix": 1.0,
    "partner": "permutation",
    "squared_temperature": False,
    "test_every": 15,
}
SMALL = {"shuffle_patches": 1, "min_scale": 1.0}  # RDED's factor 1
STUDENTS = {"efficientnet": {"learning_rate": 0.002}, "mobilenetv2": {"learning_rate": 0.0025}}
LARGE_STUDENTS = STUDENTS | {
    f"torchvision/{name}": {"learning_rate": rate}
    for name, rate in {
        "efficientnet_b0": 0.002,
        "mobilenet_v2": 0.0025,
        "vgg11": 0.0005,
        "alexnet": 0.0001,
        "vit_b_16": 0.0001,
        "swin_v2_t": 0.0001,
    }.items()
}
HOT_TRAINING = {"labels": {"temperature": 30.0, "teacher_mode": "train"}}
WARM_RESTING = {"labels": {"temperature": 20.0, "teacher_mode": "eval"}}
BEST, LAST, ROLES = {"reports": "best"}, {"reports": "last"}, {"partner": "permutation"}


def batches(**sizes: int) -> dict[str, Any]:
    return {name.removeprefix("ipc"): {"batch_size": size} for name, size in sizes.items()}


PUBLISHED: dict[str, dict[str, dict[str, Any]]] = {
    "cifar10": {
        "standard": CIFAR,
        "dwa": CIFAR | ROLES | BEST | HOT_TRAINING,
        "sre2l": CIFAR | ROLES | LAST | HOT_TRAINING,
        "rded": RDED | SMALL | {"batch_size": 100, "zoom": 0, "ipc": batches(ipc1=10, ipc10=50), "student": STUDENTS},
        "continual": CIFAR | {"tasks": 5},
    },
    "cifar100": {
        "standard": CIFAR,
        "dwa": CIFAR | ROLES | BEST | HOT_TRAINING,
        "sre2l": CIFAR | ROLES | LAST | HOT_TRAINING,
        "rded": RDED
        | SMALL
        | {
            "batch_size": 200,
            "zoom": 0,
            "ipc": batches(ipc1=20, ipc10=100),
            "student": STUDENTS | {"convnet": {"batch_size": 25, "learning_rate": 0.002}},
        },
        "continual": CIFAR | {"tasks": 5},
    },
    "tiny-imagenet": {
        "standard": TINY,
        "dwa": TINY | BEST | WARM_RESTING,
        "sre2l": {name: value for name, value in TINY.items() if name != "partner"}
        | {"epochs": 100, "batch_size": 256, "cutmix": 0.0}
        | LAST
        | WARM_RESTING,
        "rded": RDED | SMALL | {"batch_size": 100, "zoom": 72, "student": STUDENTS},
        "continual": TINY | {"tasks": 5},
    },
    "imagenet1k": {
        "standard": IMAGENET,
        "dwa": IMAGENET | BEST | WARM_RESTING,
        "sre2l": IMAGENET | {"batch_size": 1024} | BEST | WARM_RESTING,
        "rded": RDED
        | {"shuffle_patches": 2, "min_scale": 0.5, "batch_size": 200, "zoom": 0}
        | {"ipc": batches(ipc1=20, ipc10=100), "student": LARGE_STUDENTS},
        "continual": IMAGENET | {"tasks": 5},
    },
}
PAIRS = [(data, exam) for data, exams in PUBLISHED.items() for exam in exams]


def minimax_epochs(ipc: int) -> int:
    """Return the epochs that IDC's code trains for on ten classes."""
    ranges = ((1, 3000), (10, 2000), (50, 1500), (200, 1000), (500, 500))
    return next((epochs for most, epochs in ranges if ipc <= most), 300)


def recipe(data: str, exam: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((RECIPES / f"{data}.toml").read_text(encoding="utf-8"))[exam]
    return table


def exam_of(data: str, exam: str, **laid_over: Any) -> Standard:
    fields = {key: value for key, value in recipe(data, exam).items() if not isinstance(value, dict)}
    return Standard(**(fields | laid_over))


@pytest.mark.parametrize(("data", "exam"), PAIRS)
def test_a_recipe_holds_what_the_authors_did_and_no_more(data: str, exam: str) -> None:
    assert recipe(data, exam) == PUBLISHED[data][exam]


@pytest.mark.parametrize("data", [*PUBLISHED, "digits"])
def test_every_data_set_has_every_exam(data: str) -> None:
    tables = tomllib.loads((RECIPES / f"{data}.toml").read_text(encoding="utf-8"))
    assert sorted({*tables} - {"minimax"}) == sorted(EXAMS)


@pytest.mark.parametrize("data", [*PUBLISHED, "digits"])
def test_what_an_occasion_changes_are_fields_of_the_exam(data: str) -> None:
    for part in ("ipc", "student"):
        for values in recipe(data, "rded").get(part, {}).values():
            assert exam_of(data, "rded", **values) != exam_of(data, "rded")


@pytest.mark.parametrize("data", [*PUBLISHED, "digits"])
def test_the_standard_exam_is_dwas_and_the_others_are_their_own(data: str) -> None:
    identities = {exam: exam_of(data, exam).identity() for exam in EXAMS}
    assert identities["dwa"] == identities["standard"]
    assert identities["rded"] not in (identities["dwa"], identities["sre2l"])
    assert (identities["sre2l"] == identities["dwa"]) == data.startswith("cifar")
    assert identities["continual"] != identities["standard"]
    assert exam_of(data, "continual", step=5).identity() == identities["standard"]


@pytest.mark.parametrize("exam", ["minimax", "standard"])
def test_ten_classes_of_imagenet_have_the_exam_of_minimax(exam: str) -> None:
    table = recipe("imagenet10", exam)
    del table["ipc"]
    assert table == MINIMAX | ({"reports": "best"} if exam == "minimax" else {})
    for ipc in range(1, 1301):
        at = Standard(**settled(recipe("imagenet10", exam), {"ipc": str(ipc)}))
        assert at.epochs == minimax_epochs(ipc)
        assert 100 * at.test_every == at.epochs, "a hundred tests, the last of them after the last epoch"


@pytest.mark.parametrize(("data", "share", "most"), [("cifar10", 5, 5000), ("digits", 50, 200)])
def test_epochs_in_small_are_the_same_share_for_every_number_of_images(data: str, share: int, most: int) -> None:
    for ipc in range(1, most + 1):
        assert settled(recipe(data, "minimax"), {"ipc": str(ipc)})["epochs"] * share == minimax_epochs(ipc)


@pytest.mark.parametrize("data", ["cifar10", "digits"])
def test_minimax_in_small_keeps_the_authors_optimiser_schedule_mixing_and_report(data: str) -> None:
    kept = ("optimizer", "momentum", "weight_decay", "schedule", "cutmix", "brightness", "lighting")
    assert {name: recipe(data, "minimax")[name] for name in kept} == {name: MINIMAX[name] for name in kept}
    assert recipe(data, "minimax")["reports"] == "best"


@pytest.mark.parametrize("exam", [*EXAMS, "minimax"])
def test_no_exam_on_digits_mirrors_them_or_takes_more_epochs_than_the_standard_one(exam: str) -> None:
    assert not exam_of("digits", exam).flip
    assert exam_of("digits", exam).epochs <= 40


def test_the_defaults_are_the_cifar_recipe() -> None:
    assert {field: getattr(Standard(), field) for field in CIFAR} == CIFAR
