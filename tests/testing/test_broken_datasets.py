"""One promise broken at a time, by a toy that keeps all the others."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch

from ddbench.testing import toys
from ddbench.testing.conformance import (
    check_dataset,
)

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import (
        DatasetSpec,
        Examples,
        Place,
        Split,
    )

COUNTER = itertools.count(1)
Refuses = Callable[[Callable[[Any], None], Any, str], None]


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
def test_data_that_break_a_promise_are_told_which(broken: type, sentence: str, refuses: Refuses) -> None:
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
    changes: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch, refuses: Refuses
) -> None:
    monkeypatch.setattr(Respec, "changes", changes)
    refuses(check_dataset, Respec(), sentence)
