"""One promise broken at a time, by a toy that keeps all the others."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ddbench.testing import toys
from ddbench.testing.conformance import (
    check_evaluator,
)
from ddbench.types import Point

if TYPE_CHECKING:
    from ddbench.types import (
        EvaluationTask,
        Measures,
    )

COUNTER = itertools.count(1)
Refuses = Callable[[Callable[[Any], None], Any, str], None]


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
def test_an_exam_that_breaks_a_promise_is_told_which(broken: toys.ToyExam, sentence: str, refuses: Refuses) -> None:
    refuses(check_evaluator, broken, sentence)
