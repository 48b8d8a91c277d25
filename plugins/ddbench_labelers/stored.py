"""Soft labels of every view, asked of the teacher once and replayed."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from annotated_types import Ge

from ddbench.errors import UserError
from ddbench.types import Effort, Labels
from ddbench_labelers import asking, forms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor

    from ddbench.types import CheckTask, EffortTask, LabelsTask, RelabelTask, Views


@dataclass(frozen=True)
class Stored:
    """Store the teacher's label of every view of every epoch, and replay it by epoch and image.

    Source: Shen and Xing, "A Fast Knowledge Distillation Framework for Visual Recognition" (FKD, ECCV 2022), as Yin et
    al., "Squeeze, Recover and Relabel" (NeurIPS 2023) relabel ImageNet-1K. Views are drawn again from the evaluation
    seed, so that crops and blends need not be stored, nor the data loader be changed: these are the labels that
    ``online`` gives, to the last bit in ``float32``, for one student and one evaluation seed. (A teacher with dropout
    in ``train`` mode is the exception: its answers are drawn.) Students are trained without the teacher.

    Attributes:
        temperature: divides the logits of teacher and student alike. Recipes: that of ``online``.
        teacher_mode: ``eval`` uses the teacher's stored batch-norm statistics; ``train`` those of each batch of views.
        form: of a stored logit. ``float16``, as FKD and SRe2L have it, rounds logits by 2^-11 of themselves at most;
            the logarithm of a label is then off by max |logit| / (1024 temperature) at most. ``int8`` takes one byte
            and a float16 step a row, of 1/255 of the row's spread and 0.2 % more at most; the logarithm of a label is
            off by step / temperature at most. ``float32`` changes nothing.
        top_k: keep the largest logits of each view alone, so many; the other classes share evenly what they have
            together at the temperature. FKD's "marginal smoothing"; ``none`` keeps all.
        epochs: store the labels of so many epochs, the first ones; a student is then shown their views again and again,
            in the same batches. As many times fewer bytes as its exam has more epochs, in the manner of Xiao and He,
            "Are Large-scale Soft Labels Necessary for Large-scale Dataset Distillation?" (LPLD, NeurIPS 2024), who
            prune labels and use what is left repeatedly; ``none`` stores all.
    """

    version: ClassVar[int] = 1
    uses_teacher: ClassVar[bool] = True
    per_view: ClassVar[bool] = True

    temperature: asking.Temperature = 20.0
    teacher_mode: asking.Mode = "eval"
    form: forms.Form = "float16"
    top_k: Annotated[int, Ge(1)] | None = None
    epochs: Annotated[int, Ge(1)] | None = None

    def identity(self) -> Mapping[str, object]:
        """Return what changes labels or views."""
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return said if self.epochs else {name: value for name, value in said.items() if name != "epochs"}

    def check(self, task: CheckTask) -> None:
        """Refuse a ``top_k`` that would leave no class out."""
        count = task.data.num_classes
        if self.top_k is not None and self.top_k >= count:
            raise UserError(f"stored[top_k={self.top_k}] leaves out none of {count} classes: take fewer, or none")

    def relabel(self, task: RelabelTask) -> Mapping[str, Tensor]:
        """Store logits, (epochs, images, ...), and as ``images`` which images are shown, unless all of them are.

        Raises:
            UserError: the exam does not tell its views, or does not show the same images in all epochs, each once.
        """
        if task.views is None:
            raise UserError("labels 'stored' need an exam that tells its views: take other labels or another exam")
        epochs = min(task.views.epochs, self.epochs or task.views.epochs)
        ask = asking.asked(task, self.teacher_mode, calls=epochs)  # at the least
        shown = _shown(task.views.of(0))
        stored: dict[str, Tensor] = {}
        for epoch in range(epochs):
            logits = _answers(task.views.of(epoch), ask, shown)
            rows = forms.encode(logits, self.form, self.top_k, self.temperature)
            stored = stored or {
                name: part.new_empty((epochs, *part.shape), device="cpu") for name, part in rows.items()
            }
            for name, part in rows.items():
                stored[name][epoch] = part
            task.compute.progress(epoch + 1, epochs)
        return stored if len(shown) == len(task.distilled.images) else {**stored, "images": shown.int()}

    def labels(self, task: LabelsTask) -> Labels:
        """Return targets of softmax(stored logits / temperature); the teacher is not asked.

        An epoch's labels are moved to the device at once, those of one epoch at a time.

        Raises:
            UserError: a view of an epoch that has no labels is shown.
        """
        place, distilled = task.compute.device, task.distilled
        stored = dict(task.stored)
        shown = stored.pop("images", torch.arange(len(distilled.images))).to(place, torch.int64)

        @functools.lru_cache(maxsize=1)
        def of_epoch(epoch: int) -> dict[str, Tensor]:
            if self.epochs is not None and epoch >= self.epochs:
                raise UserError(
                    f"labels 'stored[epochs={self.epochs}]' need an exam that shows views again: take others"
                )
            return {name: part[epoch].to(place) for name, part in stored.items()}

        def targets(views: Views) -> Tensor:
            rows = torch.searchsorted(shown, views.indices)
            chosen = {name: part[rows] for name, part in of_epoch(views.epoch).items()}
            return asking.soft(forms.decode(chosen, distilled.data.num_classes), self.temperature)

        return Labels(targets, self.temperature, self.epochs)

    def effort(self, task: EffortTask) -> Effort:
        """Tell of one pass a view, before students are trained."""
        if task.kind != "relabel":
            return Effort()
        views = min(task.views, self.epochs * task.images) if self.epochs else task.views
        return asking.effort(views, views * forms.row_bytes(task.data.num_classes, self.form, self.top_k))


def _shown(batches: Iterable[Views]) -> Tensor:
    """Return which images an epoch shows, int64 (M,), in rising order."""
    return torch.cat([views.indices for views in batches]).sort().values


def _answers(batches: Iterable[Views], ask: Callable[[Tensor], Tensor], shown: Tensor) -> Tensor:
    """Return the logits of an epoch's views, (M, num_classes), in the order of the images shown."""
    answers = [(views.indices, ask(views.images)) for views in batches]
    indices, logits = (torch.cat(parts) for parts in zip(*answers, strict=True))
    order = indices.argsort()
    if not torch.equal(indices[order], shown) or bool((shown.diff() == 0).any()):
        raise UserError(
            "labels 'stored' need an exam that shows the same images in all epochs, each once: "
            "take other labels or another exam"
        )
    return logits[order]
