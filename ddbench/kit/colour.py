"""Colours of whole batches: jitter of brightness, contrast and saturation, and lighting along ImageNet's colours.

Numbers are drawn on the CPU, pixels changed on the device. As in the code of IDC (Kim et al., ICML 2022) and Minimax
Diffusion (Gu et al., CVPR 2024), values are not clipped to what pixels can be. A grey image is taken for a colour image
of three equal channels, of whose change the grey is kept: saturation does nothing to it, lighting lifts or lowers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

GREY = (0.299, 0.587, 0.114)  # shares of red, green and blue (ITU-R BT.601)
# Of the colours of ImageNet's pixels in [0, 1]: one principal component a column, and its spread (fb.resnet.torch).
COMPONENTS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))
SPREADS = (0.2175, 0.0188, 0.0045)


def draw_jitter(count: int, strengths: tuple[float, float, float], generator: torch.Generator) -> Tensor:
    """Draw factors on brightness, contrast and saturation, float32 (N, 3): uniform from 1 - strength to 1 + strength.

    The factors of torchvision's ColorJitter. It draws an order of the three as well, and so does IDC's code; but only
    clipping between them makes a difference of it.
    """
    numbers = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    return (1 + torch.tensor(strengths, dtype=torch.float64) * (2 * numbers - 1)).float()


def draw_lighting(count: int, channels: int, deviation: float, generator: torch.Generator) -> Tensor:
    """Draw shifts of colour, float32 (N, C), 1 from black to white: Krizhevsky et al. (NIPS 2012), Section 4.1.

    Along each principal component of ImageNet's colours, by its spread times a number from Normal(0, deviation^2).
    Images of other data sets are shifted along the same components.
    """
    numbers = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    # normal numbers from uniform ones: torch.randn's depend on how many images come after
    normal = torch.special.ndtri(numbers.clamp_min(2**-53))
    along = deviation * normal * torch.tensor(SPREADS, dtype=torch.float64)
    shifts = along @ torch.tensor(COMPONENTS, dtype=torch.float64).T
    return (shifts if channels == 3 else _grey(shifts)).float()


def change(images: Tensor, factors: Tensor, shifts: Tensor) -> Tensor:
    """Change the colours of images.

    Saturation moves a pixel away from its grey (a factor above 1) or towards it, contrast from the image's mean grey,
    brightness from black; the shift is added.

    Args:
        images: (B, C, H, W) of any dtype, levels 0 to 255.
        factors: on brightness, contrast and saturation, (B, 3).
        shifts: (B, C), 1 from black to white.

    Returns:
        float32, of the same levels, and a little beyond.
    """
    pixels = images.float()
    grey = _grey(pixels)
    brightness, contrast, saturation = factors[..., None, None, None].unbind(dim=1)
    mean = grey.mean(dim=(2, 3), keepdim=True)
    constant = brightness * (1 - contrast) * mean + 255 * shifts[..., None, None]
    slope = brightness * contrast
    return (slope * saturation * pixels).add_(slope * (1 - saturation) * grey).add_(constant)


def _grey(images: Tensor) -> Tensor:
    """Return the grey of colours (B, C, ...), one channel (B, 1, ...): of one channel itself."""
    if images.shape[1] == 1:
        return images
    return GREY[0] * images[:, 0:1] + GREY[1] * images[:, 1:2] + GREY[2] * images[:, 2:3]
