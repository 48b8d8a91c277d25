"""Corrupted images: what a camera, a lens, a codec or the light does to a test split.

Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations"
(ICLR 2019). These are nine of theirs, which need no picture and no library beside, at the five severities of their
CIFAR-10-C: they are meant for images of about 32 pixels, milder than those of ImageNet-C, and blur and pixels are finer
the larger the image. Noise is drawn here, so that accuracies are near those on their files and not equal.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ddbench.kit import rng
from ddbench.kit.jpeg import through_jpeg

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Generator, Tensor

    Corruption = Callable[[Tensor, float, Generator], Tensor]

_CUT = 4  # standard deviations, beyond which a blur ends


def corrupt(images: Tensor, name: str, severity: int, seed: int) -> Tensor:
    """Return corrupted images, uint8 (B, C, H, W) on the CPU.

    Args:
        images: uint8 (B, C, H, W).
        name: one of ``NAMES``.
        severity: 1 to 5.
        seed: of what is drawn for this batch.
    """
    function, strengths = _CORRUPTIONS[name]
    drawn = rng.generator(seed, "corruption", name, severity)
    corrupted = function(images.cpu().float() / 255, strengths[severity - 1], drawn)
    return corrupted.clamp(0, 1).mul(255).round().to(torch.uint8)


def gaussian_noise(images: Tensor, deviation: float, drawn: Generator) -> Tensor:
    """Add noise of the sensor in the dark, normal, to every value."""
    return images + deviation * torch.randn(images.shape, generator=drawn)


def shot_noise(images: Tensor, photons: float, drawn: Generator) -> Tensor:
    """Count photons, Poisson's, of which white has so many."""
    return torch.poisson(images * photons, generator=drawn) / photons


def impulse_noise(images: Tensor, share: float, drawn: Generator) -> Tensor:
    """Turn a share of the values black or white, as broken bits do."""
    hit = torch.rand(images.shape, generator=drawn) < share
    white = torch.rand(images.shape, generator=drawn) < 0.5
    return torch.where(hit, white.float(), images)


def speckle_noise(images: Tensor, deviation: float, drawn: Generator) -> Tensor:
    """Add normal noise that grows with the value."""
    return images + images * deviation * torch.randn(images.shape, generator=drawn)


def gaussian_blur(images: Tensor, sigma: float, drawn: Generator) -> Tensor:  # noqa: ARG001 - nothing is drawn
    """Blur by a normal kernel of so many pixels, the border being repeated beyond itself."""
    size, reach = images.shape[-1], int(_CUT * sigma + 0.5)
    shifts = range(-reach, reach + 1)
    weights = torch.tensor([math.exp(-0.5 * (shift / sigma) ** 2) for shift in shifts])
    matrix = torch.zeros(size, size)
    for shift, weight in zip(shifts, weights / weights.sum(), strict=True):
        columns = (torch.arange(size) + shift).clamp(0, size - 1)
        matrix[torch.arange(size), columns] += weight
    return matrix @ images @ matrix.T


def brightness(images: Tensor, more: float, drawn: Generator) -> Tensor:  # noqa: ARG001 - nothing is drawn
    """Add to the value of HSV, the largest of the colours, at the same hue and saturation; black becomes grey."""
    value = images.amax(1, keepdim=True)
    brighter = (value + more).clamp(max=1)
    return torch.where(value > 0, images * (brighter / value), brighter)


def contrast(images: Tensor, factor: float, drawn: Generator) -> Tensor:  # noqa: ARG001 - nothing is drawn
    """Draw values towards the mean of their image and colour."""
    mean = images.mean((2, 3), keepdim=True)
    return mean + factor * (images - mean)


def pixelate(images: Tensor, share: float, drawn: Generator) -> Tensor:  # noqa: ARG001 - nothing is drawn
    """Shrink to a share of the size and enlarge again, as Pillow does by its filter ``BOX``."""
    size = images.shape[-1]
    small = max(1, int(size * share))
    matrix = _box(small, size) @ _box(size, small)
    return matrix @ images @ matrix.T


def jpeg(images: Tensor, quality: float, drawn: Generator) -> Tensor:  # noqa: ARG001 - nothing is drawn
    """Write and read as JPEG of a quality."""
    levels = images.mul(255).round().to(torch.uint8)
    return through_jpeg(levels, int(quality)).float() / 255


def _box(old: int, new: int) -> Tensor:
    """Return the means that make ``new`` pixels of ``old``, (new, old): of those whose centres lie in a new one."""
    centres = (torch.arange(new, dtype=torch.float64) + 0.5) * old / new
    distances = (torch.arange(old) + 0.5 - centres[:, None]) / max(1.0, old / new)
    inside = ((distances > -0.5) & (distances <= 0.5)).float()
    return inside / inside.sum(1, keepdim=True)


_CORRUPTIONS: dict[str, tuple[Corruption, tuple[float, float, float, float, float]]] = {
    "gaussian-noise": (gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10)),
    "shot-noise": (shot_noise, (500, 250, 100, 75, 50)),
    "impulse-noise": (impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    "speckle-noise": (speckle_noise, (0.06, 0.10, 0.12, 0.16, 0.20)),
    "gaussian-blur": (gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1.0)),
    "brightness": (brightness, (0.05, 0.10, 0.15, 0.20, 0.30)),
    "contrast": (contrast, (0.75, 0.50, 0.40, 0.30, 0.15)),
    "pixelate": (pixelate, (0.95, 0.90, 0.85, 0.75, 0.65)),
    "jpeg": (jpeg, (80, 65, 58, 50, 40)),
}
NAMES = tuple(_CORRUPTIONS)
