from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from ddbench.kit import rng
from ddbench.testing.toys import ToyDataset, ToyNet
from ddbench.types import Compute, Distilled, EvaluationTask, Labels, Measures, Place
from ddbench_evaluators.standard import Standard

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddbench.types import Views

PLACE = Place(Path(), Path())
DATA, TRAIN, TEST = ToyDataset().spec(PLACE), ToyDataset().open("train", PLACE), ToyDataset().open("test", PLACE)
DISTILLED = Distilled(TRAIN.images(slice(None)), TRAIN.labels, DATA, ipc=20)
SHORT: dict[str, Any] = {
    "epochs": 12,
    "batch_size": 16,
    "learning_rate": 0.02,
    "padding": 0,
    "flip": False,
    "mixup": 0.0,
}


def one_hot(views: Views) -> Tensor:
    return F.one_hot(TRAIN.labels[views.indices], 3).float()


def build() -> nn.Module:
    with rng.seeded(0, "weights"):
        return ToyNet().build(DATA)


def evaluate(seed: int = 0, labels: Labels | None = None, precision: str = "float32", **options: Any) -> Measures:
    compute = Compute(torch.device("cpu"), precision, seed, lambda *_, **__: None)  # type: ignore[arg-type]
    task = EvaluationTask(DISTILLED, labels or Labels(one_hot), TEST, build, compute)
    return Standard(**{**SHORT, **options}).evaluate(task)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 1e-4, "warmup_epochs": 2},
        {"decay": "matrices", "cutmix": 1.0, "partner": "roll"},
        {"min_scale": 0.5, "schedule": "half-cosine"},
        {"precision": "bfloat16"},
    ],
    ids=str,
)
def test_a_student_learns_what_can_be_told_apart(options: dict[str, Any]) -> None:
    measures = evaluate(**options)
    assert measures.top1 > 75
    assert measures.top5 == 100
    assert measures.curve[-1].loss < measures.curve[0].loss


def test_the_number_is_the_last_epochs_and_the_best_stands_beside_it() -> None:
    measures = evaluate(test_every=1)
    tops = [point.top1 for point in measures.curve if point.top1 is not None]
    assert len(tops) == 12
    assert measures.top1 == tops[-1]
    assert measures.top1_best == max(tops)


def test_equal_seeds_give_equal_bits_and_others_do_not() -> None:
    options: dict[str, Any] = {"mixup": 0.8, "padding": 1, "flip": True}
    assert evaluate(**options) == evaluate(**options)
    assert evaluate(**options) != evaluate(seed=1, **options)


def test_labels_are_asked_for_each_view_of_each_epoch() -> None:
    seen: list[tuple[int, int]] = []

    def watch(targets: Callable[[Views], Tensor]) -> Callable[[Views], Tensor]:
        def watched(views: Views) -> Tensor:
            seen.extend((views.epoch, index) for index in views.indices.tolist())
            return targets(views)

        return watched

    evaluate(epochs=3, labels=Labels(watch(one_hot)))
    assert sorted(seen) == [(epoch, index) for epoch in range(3) for index in range(60)]


def test_the_student_matches_labels_at_their_temperature_with_the_factor_that_was_asked() -> None:
    def flat(views: Views) -> Tensor:
        return torch.full((len(views.indices), 3), 1 / 3)

    plain = evaluate(epochs=1, labels=Labels(flat, 5.0), learning_rate=1e-9)
    hot = evaluate(epochs=1, labels=Labels(flat, 1.0), learning_rate=1e-9)
    squared = evaluate(epochs=1, labels=Labels(flat, 5.0), learning_rate=1e-9, squared_temperature=True)
    assert squared.curve[0].loss == pytest.approx(25 * plain.curve[0].loss, rel=1e-3)
    assert 0 < plain.curve[0].loss < hot.curve[0].loss / 10


def test_targets_that_are_no_numbers_end_the_training() -> None:
    with pytest.raises(FloatingPointError, match="loss became nan at epoch 1"):
        evaluate(labels=Labels(lambda views: torch.full((len(views.indices), 3), float("nan"))))


def test_it_trains_where_the_last_batch_would_hold_one_image() -> None:
    assert evaluate(epochs=2, batch_size=59).curve[-1].epoch == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixup": 0.8, "cutmix": 1.0}, "mixup and cutmix"),
        ({"padding": 4, "min_scale": 0.5}, "padded crop and a resized crop"),
        ({"epochs": 5, "warmup_epochs": 5}, "warmup_epochs=5 leaves none"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Standard(**options)
