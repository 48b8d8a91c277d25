"""One promise broken at a time, by a toy that keeps all the others."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch
from torch import nn

from ddbench.kit import rng
from ddbench.testing import toys
from ddbench.testing.conformance import (
    check_architecture,
    check_dataset,
    check_declaration,
    check_evaluator,
    check_labeler,
    check_plugin,
    check_teacher,
)
from ddbench.types import Labels, Point

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ddbench.types import (
        DatasetSpec,
        EvaluationTask,
        Examples,
        LabelsTask,
        Measures,
        Place,
        RelabelTask,
        Split,
        SqueezeTask,
        Views,
    )

COUNTER = itertools.count(1)
Install = Callable[..., object]


def refuses(check: Callable[[Any], None], component: Any, sentence: str) -> None:
    type(component).__doc__ = inspect.getdoc(type(component))  # that of the toy it breaks
    with pytest.raises(AssertionError, match=f"^{type(component).__name__} {sentence}"):
        check(component)


# ------------------------------------------------------------------------------------------------- architectures


class NarrowNet(toys.ToyNet):
    def build(self, data: DatasetSpec) -> nn.Module:
        return super().build(dataclasses.replace(data, num_classes=data.num_classes - 1))


class FrozenNet(toys.ToyNet):
    def build(self, data: DatasetSpec) -> nn.Module:
        model = super().build(data)
        model.requires_grad_(requires_grad=False)[-1].bias.requires_grad_()  # type: ignore[index]
        return nn.Sequential(model, Cut())


class Cut(nn.Module):
    def forward(self, logits: Tensor) -> Tensor:
        return logits.detach().requires_grad_()


class SeededNet(toys.ToyNet):
    def build(self, data: DatasetSpec) -> nn.Module:
        with rng.seeded(0):
            return super().build(data)


class RestlessNet(toys.ToyNet):
    def build(self, data: DatasetSpec) -> nn.Module:
        with rng.seeded(next(COUNTER)):
            return super().build(data)


class InfiniteNet(toys.ToyNet):
    def build(self, data: DatasetSpec) -> nn.Module:
        model = super().build(data)
        nn.init.constant_(model[-1].bias, float("inf"))  # type: ignore[index]
        return model


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (NarrowNet, r"gives logits of another shape than \(B, num_classes\)"),
        (InfiniteNet, "gives logits that are not finite"),
        (FrozenNet, "lets no gradient through to its weights"),
        (RestlessNet, "draws other weights from the same seed"),
        (SeededNet, "draws the same weights from every seed"),
    ],
)
def test_a_network_that_breaks_a_promise_is_told_which(broken: type, sentence: str) -> None:
    refuses(check_architecture, broken(), sentence)


# ------------------------------------------------------------------------------------------------------ data sets


class Respec(toys.ToyDataset):
    changes: ClassVar[dict[str, Any]] = {}

    def spec(self, place: Place) -> DatasetSpec:
        return dataclasses.replace(super().spec(place), **self.changes)


class Reopened(toys.ToyDataset):
    def change(self, examples: toys.ToyExamples) -> Examples:
        return examples

    def open(self, split: Split, place: Place) -> Examples:
        examples = super().open(split, place)
        assert isinstance(examples, toys.ToyExamples)
        return self.change(examples)


class FloatPixels(Reopened):
    def change(self, examples: toys.ToyExamples) -> Examples:
        return toys.ToyExamples(examples.pixels / 255, examples.labels)


class OddLabels(Reopened):
    def change(self, examples: toys.ToyExamples) -> Examples:
        return toys.ToyExamples(examples.pixels, examples.labels + 1)


class IntLabels(Reopened):
    def change(self, examples: toys.ToyExamples) -> Examples:
        return toys.ToyExamples(examples.pixels, examples.labels.int())


class Shuffling(Reopened):
    def change(self, examples: toys.ToyExamples) -> Examples:
        return toys.ToyExamples(examples.pixels.roll(next(COUNTER), 0), examples.labels)


class Sorting(Reopened):
    def change(self, examples: toys.ToyExamples) -> Examples:
        return SortedExamples(examples.pixels, examples.labels)


class SortedExamples(toys.ToyExamples):
    def images(self, indices: Tensor | slice) -> Tensor:
        return self.pixels[indices.sort().values if isinstance(indices, torch.Tensor) else indices]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (FloatPixels, "gives train images of torch.float32, not of uint8"),
        (OddLabels, r"has train labels outside 0 \.\. num_classes - 1"),
        (IntLabels, "has not 60 int64 train labels"),
        (Shuffling, "opens other train images the second time"),
        (Sorting, "gives train images in another order than asked"),
    ],
)
def test_data_that_break_a_promise_are_told_which(broken: type, sentence: str) -> None:
    refuses(check_dataset, broken(), sentence)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"class_names": ("a",)}, "has not one class name and one class count for each of num_classes"),
        ({"mean": (0.5, 0.5)}, "has not one mean and one std for each of its channels"),
        ({"std": (0.0,)}, "has a std that is not above 0"),
        ({"class_counts": (20, 20, 0)}, "has a class without training images"),
        ({"class_counts": (20, 19, 21)}, "has other class_counts than its training labels"),
        ({"fingerprint": ""}, "has no fingerprint"),
        ({"image_size": 9}, "gives train images of another shape than its spec says"),
    ],
)
def test_a_spec_that_is_not_what_opening_gives_is_told(
    changes: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Respec, "changes", changes)
    refuses(check_dataset, Respec(), sentence)


# ------------------------------------------------------------------------------------------------------- teachers


class RestlessTeacher(toys.ToyTeacher):
    def squeeze(self, task: SqueezeTask) -> nn.Module:
        model = super().squeeze(task)
        nn.init.constant_(model[-1].bias, next(COUNTER))  # type: ignore[index]
        return model


class NanTeacher(toys.ToyTeacher):
    def squeeze(self, task: SqueezeTask) -> nn.Module:
        model = super().squeeze(task)
        nn.init.constant_(model[-1].bias, float("nan"))  # type: ignore[index]
        return model


class OtherTeacher(toys.ToyTeacher):
    def squeeze(self, task: SqueezeTask) -> nn.Module:
        return nn.Sequential(super().squeeze(task), nn.Identity())


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (RestlessTeacher, "gives other weights for the same seed"),
        (NanTeacher, "has weights that are not finite"),
        (OtherTeacher, "has weights that do not fit the architecture it was handed"),
    ],
)
def test_a_teacher_that_breaks_a_promise_is_told_which(broken: type, sentence: str) -> None:
    refuses(check_teacher, broken(), sentence)


# ------------------------------------------------------------------------------------------------------- labelers


class Relabelled(toys.ToyLabels):
    temperature: ClassVar[float] = 1.0

    def labels(self, task: LabelsTask) -> Labels:
        given = super().labels(task).targets
        return Labels(lambda views: self.change(given(views), views), self.temperature)

    def change(self, targets: Tensor, views: Views) -> Tensor:
        return targets


class Unnormalised(Relabelled):
    def change(self, targets: Tensor, views: Views) -> Tensor:
        return targets / 2


class Negative(Relabelled):
    def change(self, targets: Tensor, views: Views) -> Tensor:
        return 2 * targets - 1 / targets.shape[1]


class Doubles(Relabelled):
    def change(self, targets: Tensor, views: Views) -> Tensor:
        return targets.double()


class Classes(Relabelled):
    def change(self, targets: Tensor, views: Views) -> Tensor:
        return targets[:-1]


class WithGradient(Relabelled):
    def change(self, targets: Tensor, views: Views) -> Tensor:
        return targets.requires_grad_()


class Drifting(Relabelled):
    def change(self, targets: Tensor, views: Views) -> Tensor:
        return torch.softmax(targets * next(COUNTER), 1)


class Frozen(Relabelled):
    temperature: ClassVar[float] = 0.0


class Random(Relabelled):
    def relabel(self, task: RelabelTask) -> Mapping[str, Tensor]:
        return {"classes": (task.distilled.labels + next(COUNTER)) % 3}


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Unnormalised, "gives targets whose rows do not sum to 1"),
        (Negative, r"gives targets outside 0 \.\. 1"),
        (Doubles, "gives targets of torch.float64, not of float32"),
        (Classes, "gives not one row of targets a view"),
        (WithGradient, "gives targets that carry a gradient"),
        (Drifting, "gives other targets when it sees the same views again"),
        (Frozen, r"has a temperature of 0\.0, which is not above 0"),
        (Random, "stores other labels when asked again"),
    ],
)
def test_a_labeler_that_breaks_a_promise_is_told_which(broken: type, sentence: str) -> None:
    refuses(check_labeler, broken(), sentence)


# ----------------------------------------------------------------------------------------------------------- exams


class Remeasured(toys.ToyExam):
    def evaluate(self, task: EvaluationTask) -> Measures:
        return self.change(super().evaluate(task))

    def change(self, measures: Measures) -> Measures:
        return measures


class Shares(Remeasured):
    def change(self, measures: Measures) -> Measures:
        return dataclasses.replace(measures, top1=101.0)


class WorseThanLast(Remeasured):
    def change(self, measures: Measures) -> Measures:
        return dataclasses.replace(measures, top1=50.0, top1_best=49.0, top5=100.0)


class TopOneAboveTopFive(Remeasured):
    def change(self, measures: Measures) -> Measures:
        return dataclasses.replace(measures, top1=50.0, top1_best=50.0, top5=49.0)


class BackwardCurve(Remeasured):
    def change(self, measures: Measures) -> Measures:
        return dataclasses.replace(measures, curve=(Point(2, 1.0), Point(1, 1.0)))


class RestlessExam(Remeasured):
    def change(self, measures: Measures) -> Measures:
        return dataclasses.replace(measures, loss=measures.loss + next(COUNTER))


class SeedBlindExam(Remeasured):
    def change(self, measures: Measures) -> Measures:
        return dataclasses.replace(measures, top1=50.0, top1_best=50.0, top5=50.0, loss=1.0, curve=())


class ScribblingExam(toys.ToyExam):
    def evaluate(self, task: EvaluationTask) -> Measures:
        task.distilled.images.zero_()
        return super().evaluate(task)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (toys.ToyExam(nan=True), "measures a loss that is not finite"),
        (Shares(), "measures top1=101.0, which is no percentage"),
        (WorseThanLast(), "has a last top1 above its top1_best"),
        (TopOneAboveTopFive(), "has a top1 above its top5"),
        (BackwardCurve(), "has a curve whose epochs do not rise"),
        (RestlessExam(), "measures something else when asked again with the same seed"),
        (SeedBlindExam(), "measures the same to the last digit whatever the evaluation seed"),
        (ScribblingExam(), "changes the images or labels it was handed"),
    ],
)
def test_an_exam_that_breaks_a_promise_is_told_which(broken: toys.ToyExam, sentence: str) -> None:
    refuses(check_evaluator, broken, sentence)


# ---------------------------------------------------------------------------------------------------- declarations


@dataclass
class Mutable:
    """Can be changed (made up here)."""

    version: ClassVar[int] = 1


@dataclass(frozen=True)
class Unversioned:
    """Has no version (made up here)."""


@dataclass(frozen=True)
class Undescribed:
    version: ClassVar[int] = 1


@dataclass(frozen=True)
class Uncited:
    """Says nothing of where it comes from."""

    version: ClassVar[int] = 1


@dataclass(frozen=True)
class Unexplained:
    """Has a field that nobody explains (made up here)."""

    version: ClassVar[int] = 1

    rho: float = 0.1


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Mutable, "is not a frozen dataclass"),
        (Unversioned, "has no version, a whole number from 1"),
        (Undescribed, "has no docstring whose first line is a sentence"),
        (Uncited, "names no source"),
        (Unexplained, "explains 'rho' nowhere in its docstring's Attributes"),
    ],
)
def test_a_class_that_does_not_declare_itself_is_told_what_is_missing(broken: type, sentence: str) -> None:
    with pytest.raises(AssertionError, match=f"^{broken.__name__} {sentence}"):
        check_declaration(broken)


def test_infrastructure_need_not_be_cited() -> None:
    check_declaration(Uncited, cited=False)


HOOK = """
from ddbench import hookimpl


@hookimpl
def ddbench_synthesizers():
    return {"mine": "ddbench.testing.toys:ToySynth"}
"""


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (f"import torch\n{HOOK}", "imports torch: name components as"),
        (
            "from ddbench import hookimpl\n@hookimpl\ndef ddbench_synths(): ...",
            "cannot be used: implements unknown hooks",
        ),
        ("import nowhere_to_be_found", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_a_plugin_that_breaks_a_promise_is_told_which(
    source: str, sentence: str, install: Callable[..., object]
) -> None:
    install("heavy", "heavy_plugin", source)
    with pytest.raises(AssertionError, match=f"^heavy_plugin {sentence}"):
        check_plugin("heavy_plugin")
