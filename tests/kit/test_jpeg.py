from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from ddbench.kit.jpeg import through_jpeg

if TYPE_CHECKING:
    from pathlib import Path


def random_images(channels: int) -> torch.Tensor:
    numbers = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, channels, 16, 24), generator=numbers).to(torch.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_come_back_as_pillows_default_file_holds_them(channels: int, tmp_path: Path) -> None:
    images = random_images(channels)
    found = through_jpeg(images, 75)
    for image, decoded in zip(images, found, strict=True):
        pixels = image[0].numpy() if channels == 1 else np.moveaxis(image.numpy(), 0, 2)
        Image.fromarray(pixels).save(tmp_path / "image.jpg")
        expected = np.asarray(Image.open(tmp_path / "image.jpg"))
        assert np.array_equal(decoded[0].numpy() if channels == 1 else np.moveaxis(decoded.numpy(), 0, 2), expected)


def test_shape_and_type_stay_and_better_quality_loses_less() -> None:
    images = random_images(3)
    losses = [(through_jpeg(images, quality).float() - images.float()).abs().mean() for quality in (10, 75, 95)]
    assert through_jpeg(images, 75).shape == images.shape
    assert through_jpeg(images, 75).dtype == torch.uint8
    assert losses[0] > losses[1] > losses[2] > 0
