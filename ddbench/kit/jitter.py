"""Crop, flip and roll a whole batch alike, differentiably: what the recover loop of SRe2L and DWA does to images.

All images of a batch share one box, one flip and one shift per iteration, as the scripts draw them. A jittered
batch is a pure function of (seed, iteration), so that DWA can climb on the very batch that the loop sees first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from ddbench.kit import crops, rng

if TYPE_CHECKING:
    from torch import Tensor

_MIN_SCALE = 0.08  # share of the image's area: torchvision's default, which the scripts use


@dataclass(frozen=True)
class Jitter:
    """What may happen to a batch.

    Attributes:
        roll: greatest circular shift along each axis, in pixels.
        two_sided: shifts lie in -roll .. roll instead of 0 .. roll, ends included.
        crop: resize a random box (8 to 100 % of the area, aspect 3/4 to 4/3) back to the image's size, bilinearly.
        flip: mirror left and right with probability 1/2.
    """

    roll: int = 0
    two_sided: bool = False
    crop: bool = False
    flip: bool = False

    def __call__(self, images: Tensor, seed: int, iteration: int) -> Tensor:
        """Return square images (B, C, H, H) cropped, flipped and rolled, in this order."""
        numbers = rng.generator(seed, "jitter", iteration)
        if self.crop:
            images = _resized(images, crops.draw_resized(1, images.shape[-1], _MIN_SCALE, numbers))
        if self.flip and bool(crops.draw_mirrors(1, numbers)):
            images = images.flip(3)
        if self.roll:
            shifts = torch.randint(-self.roll if self.two_sided else 0, self.roll + 1, (2,), generator=numbers)
            images = images.roll(tuple(shifts.tolist()), (2, 3))
        return images


def _resized(images: Tensor, box: crops.Boxes) -> Tensor:
    top, left, height, width = (int(side) for side in (box.top, box.left, box.height, box.width))
    part = images[:, :, top : top + height, left : left + width]
    return functional.interpolate(part, size=images.shape[-2:], mode="bilinear", align_corners=False)
