"""What a network is told of the class of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ddbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import DatasetSpec

IMAGENET = 1000


def of_classes(data: DatasetSpec, known: int, source: str) -> Tensor:
    """Return what stands for each class, int64 (num_classes,): its place in ImageNet-1K, or its label.

    Args:
        data: whose classes.
        known: classes that the network knows.
        source: the generator, for messages.

    Raises:
        UserError: the network knows fewer classes.
    """
    if data.imagenet_classes and known == IMAGENET:
        return torch.tensor(data.imagenet_classes)
    if data.num_classes > known:
        raise UserError(f"{source} knows {known} classes, {data.name} has {data.num_classes}: take another generator")
    return torch.arange(data.num_classes)


def dropped(conditions: Tensor, null: int, share: float, generator: torch.Generator) -> Tensor:
    """Return conditions (B,) with each, with probability ``share``, replaced by ``null``: one draw per item."""
    drops = torch.rand(len(conditions), generator=generator) < share
    return conditions.masked_fill(drops.to(conditions.device), null)
