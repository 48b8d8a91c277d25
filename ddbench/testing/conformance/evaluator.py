"""Promises of exams."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ddbench.testing import toys
from ddbench.testing.bench import Bench
from ddbench.testing.conformance.conduct import accept, call, require_progress, untouched
from ddbench.testing.conformance.declaration import check_component
from ddbench.testing.conformance.promises import promise, promised
from ddbench.types import Measures

if TYPE_CHECKING:
    from ddbench.protocols import Evaluator


def check_evaluator(component: Evaluator, bench: Bench | None = None) -> None:
    """Check that an exam's measures are percentages that repeat, and that it leaves the distilled set as it was."""
    check_component(component)
    bench = bench or Bench()
    accept(component, bench)
    first, again, other = (_examine(component, bench, seed) for seed in (0, 0, 1))
    _check_measures(component, first)
    require_progress(component, bench)
    with promise("measures the same from the same seed"):
        promised(component, first == again, "measures something else when asked again with the same seed")
    with promise("measures something else from another seed"):
        promised(component, first != other, "measures the same to the last digit whatever the evaluation seed")


def _examine(component: Evaluator, bench: Bench, seed: int) -> Measures:
    distilled, hard = bench.distilled(), toys.ToyLabels()
    labels = hard.labels(bench.labels_task(distilled, hard.relabel(bench.relabel_task(distilled)), seed))
    with untouched(component, bench, distilled.images, distilled.labels), promise("returns Measures", vital=True):
        measures: Measures = call(component.evaluate, bench.evaluation_task(distilled, labels, seed))
        promised(component, isinstance(measures, Measures), "returns something else than Measures")
    return measures


def _check_measures(component: Evaluator, measures: Measures) -> None:
    with promise("measures accuracies in percent, and a finite loss"):
        for name in ("top1", "top5", "top1_best"):
            value = getattr(measures, name)
            percentage = math.isfinite(value) and 0 <= value <= 100
            promised(component, percentage, f"measures {name}={value}, which is no percentage")
        promised(component, math.isfinite(measures.loss), "measures a loss that is not finite")
    with promise("measures accuracies that fit together"):
        promised(component, measures.top1 <= measures.top1_best, "has a last top1 above its top1_best")
        promised(component, measures.top1 <= measures.top5, "has a top1 above its top5")
    with promise("has a curve that goes from epoch to epoch"):
        epochs = [point.epoch for point in measures.curve]
        promised(component, epochs == sorted(set(epochs)), "has a curve whose epochs do not rise")
