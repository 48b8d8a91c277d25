"""Soft labels, asked of the teacher view by view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ddbench.types import Effort, Labels
from ddbench_labelers import asking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ddbench.types import EffortTask, LabelsTask, RelabelTask, Views


@dataclass(frozen=True)
class Online:
    """Let the teacher label every view of every epoch: the soft labels of SRe2L and DWA.

    Source: Yin et al., "Squeeze, Recover and Relabel" (NeurIPS 2023) and Du et al., "Diversity-Driven Synthesis"
    (NeurIPS 2024). Nothing is stored; the teacher stays in use as long as students train.

    Attributes:
        temperature: divides the logits of teacher and student alike. Papers: 30 on CIFAR, 20 on Tiny-ImageNet and
            ImageNet-1K.
        teacher_mode: ``eval`` uses the teacher's stored batch-norm statistics; ``train`` those of each batch of
            views. The code of both papers never leaves train mode on CIFAR, and uses eval mode elsewhere; train
            mode raises accuracy (CV-DD, arXiv 2501.07575), so the recipes of CIFAR set what gave the published
            numbers. ``online[teacher_mode=eval]`` gives the labels that the papers describe.
    """

    version: ClassVar[int] = 1
    uses_teacher: ClassVar[bool] = True

    temperature: asking.Temperature = 20.0
    teacher_mode: asking.Mode = "eval"

    def relabel(self, task: RelabelTask) -> Mapping[str, Tensor]:
        """Store nothing: labels are made as views are."""
        task.compute.progress(1, 1)
        return {}

    def labels(self, task: LabelsTask) -> Labels:
        """Return targets of softmax(teacher's logits / temperature), from a teacher of their own."""
        ask = asking.asked(task, self.teacher_mode, calls=asking.MANY)

        def targets(views: Views) -> Tensor:
            return asking.soft(ask(views.images), self.temperature)

        return Labels(targets, self.temperature)

    def effort(self, task: EffortTask) -> Effort:
        """Tell of one pass a view, while students are trained."""
        return asking.effort(task.views) if task.kind == "evaluate" else Effort()
