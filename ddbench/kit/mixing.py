"""Mixing the images of a batch with one another: mixup and cutmix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor


def order(count: int, kind: str, random: np.random.Generator) -> Tensor:
    """Return who is mixed into whom, int64 (B,): a random ``permutation``, or ``roll``, the batch moved on by one."""
    steps = np.arange(count)
    return torch.from_numpy(np.roll(steps, 1) if kind == "roll" else random.permutation(steps))


def mixup(images: Tensor, partners: Tensor, alpha: float, random: np.random.Generator) -> tuple[Tensor, float]:
    """Blend images (B, C, H, W) with their partners.

    Returns:
        The blend, and the share of the first image, drawn from Beta(alpha, alpha) for the whole batch.
    """
    share = float(random.beta(alpha, alpha))
    return images.lerp(images[partners], 1 - share), share


def cutmix(images: Tensor, partners: Tensor, alpha: float, random: np.random.Generator) -> tuple[Tensor, float]:
    """Paste one box of their partners into images (B, C, H, W), in place.

    Returns:
        The images, and the share of pixels that the first image keeps. The box covers 1 - Beta(alpha, alpha) of
        the area around a uniform centre, before it is clipped at the border.
    """
    height, width = images.shape[-2:]
    side = (1 - random.beta(alpha, alpha)) ** 0.5
    top, bottom = _span(height, side, random)
    left, right = _span(width, side, random)
    images[:, :, top:bottom, left:right] = images[partners, :, top:bottom, left:right]
    return images, 1 - (bottom - top) * (right - left) / (height * width)


def _span(length: int, share: float, random: np.random.Generator) -> tuple[int, int]:
    centre, half = int(random.integers(length)), int(length * share) // 2
    return max(centre - half, 0), min(centre + half, length)
