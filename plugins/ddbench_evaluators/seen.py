"""Class-incremental exams: which classes a student has seen, and the exam on these alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from ddbench.kit import rng
from ddbench.kit.reading import Part
from ddbench.types import Labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from ddbench.kit.views import ViewBatch
    from ddbench.types import EvaluationTask, Examples, Views


def classes_of(step: int, tasks: int, count: int, seed: int) -> Tensor:
    """Return the classes of the first ``step`` of ``tasks``, int64 (K,), in label order.

    Tasks cut an order of all classes that depends on the seed alone, so that what is seen at one step is still there
    at the next. Where ``count`` classes do not divide, the first tasks have one more.
    """
    order = torch.randperm(count, generator=rng.generator(seed, "classes"))
    return order[: -(-count * step // tasks)].sort().values


def members(labels: Tensor, classes: Tensor) -> Tensor:
    """Return where labels (N,) are of some classes, int64 (M,)."""
    return torch.isin(labels, classes).nonzero().squeeze(1)


def renumbered(batches: Iterable[ViewBatch], chosen: Tensor) -> Iterator[ViewBatch]:
    """Yield views of the chosen images under the numbers that the images have in the whole set."""
    for batch in batches:
        yield replace(batch, indices=chosen[batch.indices], partners=chosen[batch.partners])


def narrowed(task: EvaluationTask, classes: Tensor) -> EvaluationTask:
    """Return an exam whose student, labels and test know some classes only, as it is where these are all.

    Logits, targets and test labels have a place for each of the classes, in their order. The distilled set stays
    whole, as its labels are asked for by number.
    """
    if len(classes) == task.distilled.data.num_classes:
        return task
    labels = _labels(task.labels, classes.to(task.compute.device))
    return replace(
        task,
        labels=labels,
        test=_examples(task.test, classes),
        validation=None if task.validation is None else _examples(task.validation, classes),
        build=lambda: _student(task.build(), classes),
    )


class _Columns(nn.Module):
    """Some of the logits: those of a head without the other rows, which get no gradient."""

    classes: Tensor

    def __init__(self, classes: Tensor) -> None:
        super().__init__()
        self.register_buffer("classes", classes)

    def forward(self, logits: Tensor) -> Tensor:
        return logits[:, self.classes]


def _student(model: nn.Module, classes: Tensor) -> nn.Module:
    return nn.Sequential(model, _Columns(classes))


def _labels(labels: Labels, classes: Tensor) -> Labels:
    """Return labels renormalised over the classes: of softmax(z / T), the softmax over these logits at T."""

    def targets(views: Views) -> Tensor:
        kept = labels.targets(views)[:, classes]
        return kept / kept.sum(dim=1, keepdim=True)

    return Labels(targets, labels.temperature, labels.epochs)


def _examples(whole: Examples, classes: Tensor) -> Examples:
    chosen = members(whole.labels, classes)
    return Part(whole, chosen, torch.searchsorted(classes, whole.labels[chosen]))
