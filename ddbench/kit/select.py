"""Choose real images: the k-th of every class, in an order drawn once per synthesis seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ddbench.errors import UserError
from ddbench.kit import rng

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import CheckTask, SynthesisTask


def require_real_images(task: CheckTask) -> None:
    """Refuse an ipc that is larger than the smallest class.

    Raises:
        UserError: a class has fewer training images than one per ipc index.
    """
    counts = task.data.class_counts
    fewest = min(counts)
    if task.ipc > fewest:
        scarce = task.data.class_names[counts.index(fewest)]
        raise UserError(
            f"ipc {task.ipc} asks for more real images than class '{scarce}' of {task.data.name} has ({fewest}): "
            f"choose ipc {fewest} or less"
        )


def real_images(task: SynthesisTask, index: int, classes: Tensor) -> Tensor:
    """Return one real training image of each class: uint8 (B, C, H, W) on the CPU, in the order of ``classes``.

    Index *i* is place *i* of a permutation of the class that derives from the synthesis seed and the class alone:
    no image comes twice, and neither ipc nor the other classes matter. Only the chosen images are read.
    """
    return task.train.images(real_positions(task.train.labels, index, classes, task.synthesis_seed))


def real_positions(labels: Tensor, index: int, classes: Tensor, seed: int) -> Tensor:
    """Return where in a split the chosen images lie, int64 (B,)."""
    by_class = labels.argsort(stable=True)
    counts = labels.bincount(minlength=int(classes.max()) + 1)
    ends = counts.cumsum(0)
    chosen = []
    for label in classes.tolist():
        count, end = int(counts[label]), int(ends[label])
        order = torch.randperm(count, generator=rng.generator(seed, "real", label))
        chosen.append(by_class[end - count + order[index]])
    return torch.stack(chosen)
