from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ddbench.kit import corruptions
from ddbench.kit.corruptions import NAMES, corrupt

DRAWN = {"gaussian-noise", "shot-noise", "impulse-noise", "speckle-noise"}


def pictures(channels: int = 3, size: int = 32) -> Tensor:
    """Return smooth coloured images with an edge, uint8 (8, C, H, W)."""
    axis = torch.linspace(0, 3, size)
    phase = torch.arange(8 * channels).view(8, channels, 1, 1)
    waves = torch.sin(axis.view(-1, 1) + phase) * torch.cos(axis.view(1, -1) * 2 + phase)
    pixels = 120 + 80 * waves
    pixels[:, :, size // 2 :, : size // 2] += 40
    return pixels.round().to(torch.uint8)


def distance(one: Tensor, two: Tensor) -> float:
    return float((one.float() - two.float()).abs().mean())


def drawn(images: Tensor, name: str, strength: float) -> Tensor:
    function = getattr(corruptions, name)
    corrupted: Tensor = function(images.double(), strength, torch.Generator().manual_seed(0))
    return corrupted


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 8)])
def test_a_corruption_gives_images_of_the_same_form(name: str, channels: int, size: int) -> None:
    images = pictures(channels, size)
    before = images.clone()
    corrupted = corrupt(images, name, 5, seed=0)
    assert corrupted.dtype == torch.uint8
    assert corrupted.shape == images.shape
    assert not torch.equal(corrupted, images)
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_severer_corruption_changes_more(name: str) -> None:
    images = pictures()
    changes = [distance(corrupt(images, name, severity, seed=0), images) for severity in range(1, 6)]
    assert changes == sorted(changes) or name == "pixelate"  # where grids of pixels meet by chance
    assert 0 < changes[0] < changes[4]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_images_and_another_others_where_something_is_drawn(name: str) -> None:
    one, again, other = (corrupt(pictures(), name, 3, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert torch.equal(one, other) == (name not in DRAWN)


def test_normal_noise_has_its_mean_and_deviation() -> None:
    grey = torch.full((64, 3, 32, 32), 0.5)
    noise = drawn(grey, "gaussian_noise", 0.1) - 0.5
    assert float(noise.mean()) == pytest.approx(0, abs=1e-3)
    assert float(noise.std()) == pytest.approx(0.1, rel=0.01)


def test_photons_scatter_as_their_square_root() -> None:
    grey = torch.full((64, 3, 32, 32), 0.25)
    counted = drawn(grey, "shot_noise", 100.0)
    assert float(counted.mean()) == pytest.approx(0.25, rel=0.01)
    assert float(counted.std()) == pytest.approx(np.sqrt(25) / 100, rel=0.02)


def test_impulses_hit_their_share_black_and_white_alike() -> None:
    grey = torch.full((64, 3, 32, 32), 0.5)
    hit = drawn(grey, "impulse_noise", 0.07)
    assert float((hit != 0.5).double().mean()) == pytest.approx(0.07, rel=0.03)
    assert float(hit[hit != 0.5].mean()) == pytest.approx(0.5, abs=0.03)


def test_speckles_grow_with_the_value_and_leave_black_alone() -> None:
    assert not drawn(torch.zeros(2, 3, 8, 8), "speckle_noise", 0.2).any()
    assert float(drawn(torch.ones(64, 3, 32, 32), "speckle_noise", 0.2).std()) == pytest.approx(0.2, rel=0.01)


def test_a_blur_is_scipys() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    images = pictures().float() / 255
    blurred = corruptions.gaussian_blur(images, 0.8, torch.Generator())
    expected = ndimage.gaussian_filter(images.numpy(), (0, 0, 0.8, 0.8), mode="nearest", truncate=4)
    assert np.allclose(blurred.numpy(), expected, atol=1e-5)


def test_a_blur_wider_than_the_image_keeps_its_grey() -> None:
    assert torch.allclose(
        corruptions.gaussian_blur(torch.full((1, 1, 2, 2), 0.3), 3.0, torch.Generator()), torch.tensor(0.3)
    )


def test_brightness_keeps_hue_and_saturation() -> None:
    images = torch.tensor([0.2, 0.4, 0.1]).view(1, 3, 1, 1)
    assert torch.allclose(drawn(images, "brightness", 0.2).flatten(), torch.tensor([0.3, 0.6, 0.15]).double())
    assert torch.allclose(drawn(images, "brightness", 0.9).flatten(), torch.tensor([0.5, 1.0, 0.25]).double())
    assert torch.allclose(drawn(torch.zeros(1, 3, 1, 1), "brightness", 0.3), torch.tensor(0.3).double())


def test_contrast_keeps_the_mean_of_each_colour() -> None:
    images = pictures().float() / 255
    flat = corruptions.contrast(images, 0.4, torch.Generator())
    assert torch.allclose(flat.mean((2, 3)), images.mean((2, 3)), atol=1e-6)
    assert torch.allclose(flat.std((2, 3)), 0.4 * images.std((2, 3)), atol=1e-6)


@pytest.mark.parametrize("share", [0.95, 0.65, 0.5])
def test_pixels_are_pillows(share: float) -> None:
    images = pictures()
    found = corruptions.pixelate(images.float() / 255, share, torch.Generator()).mul(255)
    small = int(32 * share)
    for image, pixelated in zip(images, found, strict=True):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        shrunk = picture.resize((small, small), Image.Resampling.BOX).resize((32, 32), Image.Resampling.BOX)
        expected = torch.from_numpy(np.array(shrunk)).permute(2, 0, 1).float()
        assert float((pixelated - expected).abs().max()) <= 1.001  # Pillow rounds on the way


def test_an_image_of_one_pixel_is_pixelated_to_itself() -> None:
    assert torch.equal(
        corruptions.pixelate(torch.full((1, 1, 1, 1), 0.4), 0.5, torch.Generator()), torch.full((1, 1, 1, 1), 0.4)
    )
