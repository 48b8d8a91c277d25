"""Between uint8 images and normalised floats."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import DatasetSpec


def statistics(data: DatasetSpec, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per channel, float32, each of shape (1, C, 1, 1); not to be written to."""
    mean, std = _per_channel(data.mean, device), _per_channel(data.std, device)
    return mean, std


@functools.lru_cache(maxsize=16)  # moved once: a GPU would have to be waited for at every batch
def _per_channel(values: tuple[float, ...], device: torch.device | None) -> Tensor:
    return torch.tensor(values, device=device).view(1, -1, 1, 1)


def normalise(images: Tensor, data: DatasetSpec) -> Tensor:
    """Turn uint8 images (B, C, H, W) into float32 ones with the data set's mean 0 and deviation 1."""
    mean, std = statistics(data, images.device)
    return images.float().div_(255).sub_(mean).div_(std)


def to_uint8(images: Tensor, data: DatasetSpec) -> Tensor:
    """Turn normalised images (B, C, H, W) into uint8, rounded to the nearest level, clipped to [0, 255]."""
    mean, std = statistics(data, images.device)
    return images.detach().float().mul(std).add_(mean).mul_(255).round_().clamp_(0, 255).to(torch.uint8)


def bounds(data: DatasetSpec, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Return the normalised values of black and white, float32, each of shape (1, C, 1, 1)."""
    mean, std = statistics(data, device)
    return -mean / std, (1 - mean) / std
