"""Images as the papers' scripts hand them on: through an 8-bit JPEG file, chroma at half resolution."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor


def through_jpeg(images: Tensor, quality: int) -> Tensor:
    """Return uint8 images (B, 1 or 3, H, W) as they look after Pillow has written and read them (4:2:0).

    Args:
        images: uint8, on the CPU.
        quality: 1 to 95; the scripts of SRe2L and DWA save at Pillow's default, 75.
    """
    return torch.stack([_through_jpeg(image, quality) for image in images])


def _through_jpeg(image: Tensor, quality: int) -> Tensor:
    pixels = image.permute(1, 2, 0).squeeze(2).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality, subsampling="4:2:0")
    decoded = torch.from_numpy(np.array(Image.open(file)))
    return decoded.view(*image.shape[1:], -1).permute(2, 0, 1).contiguous()
