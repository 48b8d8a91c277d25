"""Promises of labelers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ddbench.testing.bench import Bench
from ddbench.testing.conformance.conduct import accept, call, equal, require_honest_teacher_use, untouched
from ddbench.testing.conformance.declaration import check_component
from ddbench.testing.conformance.promises import promise, promised
from ddbench.types import Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ddbench.protocols import Labeler
    from ddbench.types import Views


def check_labeler(component: Labeler, bench: Bench | None = None) -> None:
    """Check that targets are probabilities without gradient, and depend on the views alone.

    A labeler that says ``per_view = True`` is asked about the views that its stage was shown, and must not ask the
    teacher again.
    """
    check_component(component, "uses_teacher")
    bench = bench or Bench()
    accept(component, bench)
    distilled, per_view = bench.distilled(), _is_per_view(component)
    seen = bench.views(distilled)
    with untouched(component, bench, distilled.images, distilled.labels):
        task = bench.relabel_task(distilled, seen if per_view else None)
        with promise("stores tensors by name, the same when asked again", vital=True):
            stored, again = (dict(call(component.relabel, task)) for _ in range(2))
            tensors = all(isinstance(value, torch.Tensor) for value in stored.values())
            promised(component, tensors, "stores something else than tensors by name")
            promised(component, equal(stored, again), "stores other labels when asked again")
        asked = bench.teachers
        with promise("returns Labels with a temperature above 0", vital=True):
            labels = call(component.labels, bench.labels_task(distilled, stored))
            _check_form(component, labels)
        epochs = min(seen.epochs, labels.epochs or seen.epochs)
        _check_targets(component, labels, [batch for epoch in range(epochs) for batch in seen.of(epoch)])
        if per_view:
            with promise("asks no teacher for labels that it stores"):
                promised(component, bench.teachers == asked, "stores labels of views and asks the teacher again")
    require_honest_teacher_use(component, bench)


def _is_per_view(component: Labeler) -> bool:
    per_view = getattr(type(component), "per_view", False)
    with promise("says of itself what the plan must know", vital=True):
        promised(component, isinstance(per_view, bool), "says 'per_view' otherwise than by a ClassVar[bool]")
    return per_view


def _check_form(component: Labeler, labels: Labels) -> None:
    promised(component, isinstance(labels, Labels), "returns something else than Labels")
    sound = math.isfinite(labels.temperature) and labels.temperature > 0
    promised(component, sound, f"has a temperature of {labels.temperature}, which is not above 0")


def _check_targets(component: Labeler, labels: Labels, batches: Sequence[Views]) -> None:
    with promise("gives a row of float32 targets for each view, without gradient", vital=True):
        first = [labels.targets(batch).clone() for batch in batches]
        for batch, targets in zip(batches, first, strict=True):
            _check_rows(component, batch, targets)
    with promise("gives probabilities: rows in 0 .. 1 that sum to 1"):
        for targets in first:
            _check_probabilities(component, targets)
    with promise("gives the same targets when it sees the same views again"):
        again = [labels.targets(batch) for batch in reversed(batches)][::-1]
        same = all(map(torch.equal, first, again))
        promised(component, same, "gives other targets when it sees the same views again")


def _check_rows(component: Labeler, batch: Views, targets: Tensor) -> None:
    promised(component, targets.dtype == torch.float32, f"gives targets of {targets.dtype}, not of float32")
    promised(component, targets.ndim == 2 and len(targets) == len(batch.indices), "gives not one row of targets a view")
    promised(component, not targets.requires_grad, "gives targets that carry a gradient")


def _check_probabilities(component: Labeler, targets: Tensor) -> None:
    inside = bool(((targets >= 0) & (targets <= 1)).all())
    promised(component, inside, "gives targets outside 0 .. 1")
    sums = targets.double().sum(1)
    promised(component, bool((sums - 1).abs().max() < 1e-4), "gives targets whose rows do not sum to 1")
