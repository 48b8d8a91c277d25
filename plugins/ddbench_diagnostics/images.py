"""The images themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from annotated_types import Ge

from ddbench.kit.drawing import figure
from ddbench_diagnostics.classes import class_labels, of_class, real_sample, shown_classes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from ddbench.types import DiagnosticTask


@dataclass(frozen=True)
class Images:
    """A figure of the images, a row for each class.

    As in Figure 2 of Du et al., "Diversity-Driven Synthesis" (NeurIPS 2024): pixels as stored, neither stretched in
    contrast nor smoothed.

    Attributes:
        per_class: the most images of a class, from the first ipc index on.
        classes: the most classes, drawn by lot where there are more.
        real_per_class: so many real training images of each class beside them, drawn by lot.
    """

    version: ClassVar[int] = 1
    uses_teacher: ClassVar[bool] = False

    per_class: Annotated[int, Ge(1)] = 10
    classes: Annotated[int, Ge(1)] = 10
    real_per_class: Annotated[int, Ge(0)] = 0

    def draw(self, task: DiagnosticTask) -> Figure:
        """Draw the images; columns are ipc indices, from 0, and then real images, if any were asked for."""
        data = task.distilled.data
        chosen = shown_classes(data, self.classes, task.compute.seed)
        names = [class_labels(data)[label] for label in chosen]
        parts = {"ipc index": [self._row(task, label) for label in chosen]}
        if self.real_per_class:
            parts["real"] = [task.train.images(real_sample(task, label, self.real_per_class)) for label in chosen]
        widths = [max(len(row) for row in rows) for rows in parts.values()]
        drawn = figure(1.3 + 0.55 * sum(widths), 0.6 + 0.55 * len(chosen))
        every = drawn.subplots(1, len(parts), squeeze=False, width_ratios=widths)[0]
        for axes, (title, rows), columns in zip(every, parts.items(), widths, strict=True):
            axes.imshow(_mosaic(rows, columns).numpy(), interpolation="nearest")
            _label(axes, title, names if axes is every[0] else [], columns, data.image_size)
        task.compute.progress(1, 1)
        return drawn

    def _row(self, task: DiagnosticTask, label: int) -> Tensor:
        return task.distilled.images[of_class(task.distilled.labels, label)[: self.per_class]]


def _mosaic(rows: list[Tensor], columns: int) -> Tensor:
    """Return rows of images (N, C, H, W) as one picture with white between them, uint8 (height, width, 3)."""
    size = rows[0].shape[-1]
    step = size + _gap(size)
    picture = torch.full((step * len(rows), step * columns, 3), 255, dtype=torch.uint8)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            top, left = row * step, column * step
            picture[top : top + size, left : left + size] = image.permute(1, 2, 0)
    return picture[: -_gap(size), : -_gap(size)]


def _gap(size: int) -> int:
    """Return the pixels of white between two images."""
    return max(1, size // 12)


def _label(axes: Axes, title: str, names: list[str], columns: int, size: int) -> None:
    step, middle = size + _gap(size), (size - 1) / 2
    axes.set_yticks([row * step + middle for row in range(len(names))], labels=names)
    axes.set_xticks([column * step + middle for column in range(columns)], labels=map(str, range(columns)))
    axes.set_xlabel(title)
    axes.set_ylabel("class" if names else "")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
