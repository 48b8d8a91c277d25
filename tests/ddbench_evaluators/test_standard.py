from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from ddbench.errors import UserError
from ddbench.kit import crops, rng
from ddbench.registry import registry
from ddbench.spec import Spec
from ddbench.testing.toys import ToyDataset, ToyExamples, ToyNet
from ddbench.types import CheckTask, Compute, Distilled, EvaluationTask, Labels, Measures, Place
from ddbench_evaluators.standard import Standard

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddbench.types import Examples, Views

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


COLOURS: dict[str, Any] = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "lighting": 0.1}


def one_hot(views: Views) -> Tensor:
    return F.one_hot(TRAIN.labels[views.indices], 3).float()


def build() -> nn.Module:
    with rng.seeded(0, "weights"):
        return ToyNet().build(DATA)


def computing(seed: int = 0, precision: str = "float32") -> Compute:
    return Compute(torch.device("cpu"), precision, seed, lambda *_, **__: None)  # type: ignore[arg-type]


def evaluate(
    seed: int = 0,
    labels: Labels | None = None,
    precision: str = "float32",
    test: Examples = TEST,
    validation: Examples | None = None,
    **options: Any,
) -> Measures:
    task = EvaluationTask(DISTILLED, labels or Labels(one_hot), test, build, computing(seed, precision), validation)
    return Standard(**{**SHORT, **options}).evaluate(task)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 1e-4, "warmup_epochs": 2},
        {"decay": "matrices", "cutmix": 1.0, "partner": "roll"},
        {"min_scale": 0.5, "schedule": "half-cosine"},
        {"shuffle_patches": 2, "zoom": 9},
        {"optimizer": "sgd", "learning_rate": 0.1, "schedule": "late-steps", **COLOURS},
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
        ({"tasks": 5, "step": 6}, "step=6 comes after the last of tasks=5"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Standard(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shuffle_patches": 3}, "shuffle_patches=3 does not divide images of 8 pixels"),
        ({"zoom": 8}, "zoom=8 does not enlarge images of 8 pixels"),
        ({"tasks": 4}, "tasks=4 is more than the 3 classes of toy"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_refused_before_anything_runs(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Standard(**options).check(CheckTask(DATA, 1))


def test_settings_that_fit_the_data_are_let_through() -> None:
    Standard(shuffle_patches=4, zoom=9, tasks=3, step=2).check(CheckTask(DATA, 1))


@pytest.mark.parametrize(
    "options",
    [
        {"mixup": 0.8, "padding": 1},
        {"cutmix": 1.0, "shuffle_patches": 2},
        {"mixup": 0.8, "tasks": 3, "step": 2},
        {"cutmix": 1.0, "min_scale": 0.5, **COLOURS},
    ],
    ids=str,
)
def test_the_views_it_tells_are_those_it_trains_on(options: dict[str, Any]) -> None:
    seen: list[Views] = []

    def watch(views: Views) -> Tensor:
        seen.append(views)
        return one_hot(views)

    evaluate(seed=3, epochs=2, labels=Labels(watch), **options)
    told = Standard(**{**SHORT, **options, "epochs": 2}).views(DISTILLED, computing(3))
    assert told.epochs == 2
    for epoch in (1, 0):  # in any order, as often as asked
        own = [views for views in seen if views.epoch == epoch]
        for one, two in zip(own, told.of(epoch), strict=True):
            for field in ("images", "indices", "partners", "weights"):
                assert torch.equal(getattr(one, field), getattr(two, field))


def test_test_images_are_zoomed_and_nothing_else_is() -> None:
    zoomed = ToyExamples(crops.zoom(TEST.images(slice(None)), 11), TEST.labels)
    assert evaluate(zoom=11) == evaluate(test=zoomed)
    assert evaluate(zoom=11) != evaluate()


def test_the_calibration_error_is_of_the_network_after_the_last_epoch() -> None:
    assert evaluate(test_every=1).calibration_error == evaluate(test_every=12).calibration_error
    assert 0 < (evaluate().calibration_error or 0) < 1


def test_held_out_images_select_an_epoch_and_change_nothing_else() -> None:
    plain, measures = evaluate(test_every=1), evaluate(test_every=1, validation=TEST)
    assert measures.top1_val == measures.top1_best  # the split by which it is selected is the one that is tested
    assert [point.top1 for point in measures.validation] == [point.top1 for point in measures.curve]
    assert (plain.top1, plain.curve, plain.top1_val) == (measures.top1, measures.curve, None)


def test_held_out_images_are_of_the_classes_seen_and_zoomed_like_those_of_the_test() -> None:
    measures = evaluate(test_every=1, validation=TEST, tasks=3, step=2, zoom=9)
    assert [point.top1 for point in measures.validation] == [point.top1 for point in measures.curve]


def test_corrupted_images_are_tested_after_the_last_epoch_and_change_nothing_else() -> None:
    plain, measures = evaluate(), evaluate(corruptions="jpeg:5+gaussian-noise")
    assert list(measures.corrupted) == ["gaussian-noise:3", "jpeg:5"]
    assert measures.top1_corrupted == pytest.approx(sum(measures.corrupted.values()) / 2)
    assert (measures.top1, measures.loss, measures.curve) == (plain.top1, plain.loss, plain.curve)
    assert plain.corrupted == {}
    assert plain.top1_corrupted is None


def test_corrupted_images_are_zoomed_like_the_others() -> None:
    zoomed = evaluate(zoom=24, epochs=6, corruptions="contrast:5")
    assert zoomed.corrupted != evaluate(epochs=6, corruptions="contrast:5").corrupted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fog", "'fog' is none; there are gaussian-noise, "),
        ("jpeg+", "'' is none"),
        ("jpeg:6", "severity '6' of 'jpeg:6' is none of 1 to 5"),
        ("jpeg:", "severity '' of 'jpeg:' is none of 1 to 5"),
    ],
)
def test_a_corruption_that_there_is_not_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Standard(corruptions=text)


def test_the_same_corruptions_are_one_exam_however_they_are_written() -> None:
    one, two = Standard(corruptions="jpeg+contrast:2").identity(), Standard(corruptions="contrast:2+jpeg:3").identity()
    assert one == two != Standard().identity()
    assert one["corruptions"] == "contrast:2+jpeg:3"
    assert "corruptions" not in Standard().identity()
    assert str(Standard(corruptions="all:2").identity()["corruptions"]).count(":2") == 9
    assert Standard(corruptions=str(one["corruptions"])).identity() == one


def test_equal_settings_are_one_exam_whatever_is_left_unused_or_only_reported() -> None:
    plain = Standard().identity()
    assert plain["name"] == "standard"
    for unused in ({"momentum": 0.5}, {"reports": "best"}, {"tasks": 5, "step": 5}):
        assert Standard(**unused).identity() == plain
    assert Standard(mixup=0, partner="roll").identity() == Standard(mixup=0).identity()


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 399},
        {"optimizer": "sgd"},
        {"partner": "roll"},
        {"shuffle_patches": 2},
        {"zoom": 40},
        *({name: 0.1} for name in COLOURS),
        {"test_every": 5},
        {"tasks": 5, "step": 4},
    ],
    ids=str,
)
def test_settings_that_change_training_or_test_are_told_apart(options: dict[str, Any]) -> None:
    assert Standard(**options).identity() != Standard().identity()
    assert Standard(optimizer="sgd", momentum=0.5).identity() != Standard(optimizer="sgd").identity()


def test_exams_that_leave_colours_alone_say_nothing_of_them_in_their_keys() -> None:
    assert not COLOURS.keys() & Standard(schedule="steps").identity().keys()
    assert COLOURS.keys() <= Standard(**COLOURS).identity().keys()


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_a_jitter_that_would_turn_colours_around_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name}: Input should be less than or equal to 1"):
        registry().resolve("evaluator", Spec.of("standard", {name: 1.5}))


def test_steps_and_tasks_are_told_apart() -> None:
    exams = [Standard(tasks=tasks, step=step).identity() for tasks in (2, 3) for step in range(1, tasks)]
    assert len({str(exam) for exam in exams}) == 3
