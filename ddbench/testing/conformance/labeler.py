"""Promises of labelers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ddbench.kit import views
from ddbench.testing.bench import Bench
from ddbench.testing.conformance.conduct import accept, call, equal, require_honest_teacher_use, untouched
from ddbench.testing.conformance.declaration import check_component, promised
from ddbench.types import Labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ddbench.protocols import Labeler

MIXED = views.Augmentation(padding=1, flip=True, mixup=0.8)


def check_labeler(component: Labeler, bench: Bench | None = None) -> None:
    """Check that targets are probabilities without gradient, and depend on the views alone."""
    check_component(component, "uses_teacher")
    bench = bench or Bench()
    accept(component, bench)
    distilled = bench.distilled()
    with untouched(component, bench, distilled.images, distilled.labels):
        stored, again = (dict(call(component.relabel, bench.relabel_task(distilled))) for _ in range(2))
        tensors = all(isinstance(value, torch.Tensor) for value in stored.values())
        promised(component, tensors, "stores something else than tensors by name")
        promised(component, equal(stored, again), "stores other labels when asked again")
        labels = call(component.labels, bench.labels_task(distilled, stored))
        _check_labels(component, labels, list(_batches(bench)))
    require_honest_teacher_use(component, bench)


def _batches(bench: Bench) -> Iterator[views.ViewBatch]:
    distilled = bench.distilled()
    for epoch in range(2):
        yield from views.views(distilled.images, bench.data, MIXED, 4, seed=0, epoch=epoch)


def _check_labels(component: Labeler, labels: Labels, batches: list[views.ViewBatch]) -> None:
    promised(component, isinstance(labels, Labels), "returns something else than Labels")
    sound = math.isfinite(labels.temperature) and labels.temperature > 0
    promised(component, sound, f"has a temperature of {labels.temperature}, which is not above 0")
    first = [labels.targets(batch).clone() for batch in batches]
    for batch, targets in zip(batches, first, strict=True):
        _check_targets(component, batch, targets)
    again = [labels.targets(batch) for batch in batches]
    promised(component, all(map(torch.equal, first, again)), "gives other targets when it sees the same views again")


def _check_targets(component: Labeler, batch: views.ViewBatch, targets: Tensor) -> None:
    promised(component, targets.dtype == torch.float32, f"gives targets of {targets.dtype}, not of float32")
    promised(component, targets.ndim == 2 and len(targets) == len(batch.indices), "gives not one row of targets a view")
    promised(component, not targets.requires_grad, "gives targets that carry a gradient")
    inside = bool(((targets >= 0) & (targets <= 1)).all())
    promised(component, inside, "gives targets outside 0 .. 1")
    sums = targets.double().sum(1)
    promised(component, bool((sums - 1).abs().max() < 1e-4), "gives targets whose rows do not sum to 1")
