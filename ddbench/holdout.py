"""Real training images kept from every method, by which a benchmark may select the epoch of a student."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ddbench.errors import UserError
from ddbench.keys import digest

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import DatasetSpec

EVERY = 10  # every tenth training image of a class, as the split lists them: one tenth, stratified, and nothing drawn


def held_out(data: DatasetSpec, every: int) -> DatasetSpec:
    """Describe data of which every so-manyth training image of a class is held out; 0 holds out none.

    Sizes and counts are of what is left, and the fingerprint is another; mean and deviation stay those of the whole.

    Raises:
        UserError: a class has too few images to give one.
    """
    if not every:
        return data
    counts = data.class_counts
    fewest = min(counts)
    if fewest < every:
        scarce = data.class_names[counts.index(fewest)]
        raise UserError(
            f"--select val holds out one in {every} training images of a class, and class '{scarce}' of {data.name} "
            f"has {fewest}: take --select last, or data with {every} images of each class or more"
        )
    left = tuple(count - count // every for count in counts)
    sizes = {**data.sizes, "train": sum(left)}
    fingerprint = digest([data.fingerprint, "holdout", every])
    return replace(data, holdout=every, class_counts=left, sizes=sizes, fingerprint=fingerprint)


def parts(labels: Tensor, every: int) -> tuple[Tensor, Tensor]:
    """Return which images of a split are left and which are held out, int64, in the order of the split.

    Of the images 1, 2, ... of a class those whose number ``every`` divides are held out.

    Args:
        labels: int64 (N,).
        every: at least 2.
    """
    import torch

    order = labels.argsort(stable=True)
    counts = labels.bincount()
    before = (counts.cumsum(0) - counts)[labels[order]]  # images of smaller classes
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[order] = (torch.arange(1, len(labels) + 1) - before) % every == 0
    return (~held).nonzero().squeeze(1), held.nonzero().squeeze(1)
