"""A test split as an exam shows it: its images scaled, or corrupted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ddbench.kit import corruptions, crops, rng

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import Examples

SEED = 0  # of corrupted test images: as in CIFAR-10-C they are one set, whoever is tested


@dataclass(frozen=True)
class Zoomed:
    """A split whose images are scaled up to ``size`` and cut at their centre (:class:`ddbench.types.Examples`)."""

    plain: Examples
    size: int

    @property
    def labels(self) -> Tensor:
        """Int64 class labels, shape (N,), on the CPU."""
        return self.plain.labels

    def images(self, indices: Tensor | slice) -> Tensor:
        """Return uint8 images (B, C, H, W) of the height and width of before."""
        return crops.zoom(self.plain.images(indices), self.size)


@dataclass(frozen=True)
class Corrupted:
    """A split under a corruption (:class:`ddbench.types.Examples`): the same images for every student.

    What is drawn derives from the corruption and from which image of the split comes first in a batch.
    """

    plain: Examples
    name: str
    severity: int

    @property
    def labels(self) -> Tensor:
        """Int64 class labels, shape (N,), on the CPU."""
        return self.plain.labels

    def images(self, indices: Tensor | slice) -> Tensor:
        """Return uint8 images (B, C, H, W)."""
        first = int(torch.arange(len(self.labels))[indices][0])
        drawn = rng.derive(SEED, "first", first)
        return corruptions.corrupt(self.plain.images(indices), self.name, self.severity, drawn)
