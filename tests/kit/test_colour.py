from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as torchvision

from ddbench.kit import colour

SIZE = 6
STILL = torch.zeros(1, 3)


def noise(count: int, channels: int = 3, low: int = 0, high: int = 256) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(low, high, (count, channels, SIZE, SIZE), generator=generator, dtype=torch.uint8)


def factors(count: int, strength: float = 0.4) -> Tensor:
    return colour.draw_jitter(count, (strength,) * 3, torch.Generator().manual_seed(5))


def by_hand(image: Tensor, brightness: float, contrast: float, saturation: float) -> Tensor:
    """Return a float64 image (H, W, 3) changed pixel by pixel: brightness, then contrast, then saturation."""
    shares = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    image = brightness * image
    image = contrast * image + (1 - contrast) * (image @ shares).mean()
    return saturation * image + (1 - saturation) * (image @ shares)[..., None]


def test_jitter_equals_one_written_out_for_each_image() -> None:
    images, drawn = noise(20), factors(20)
    changed = colour.change(images, drawn, STILL.expand(20, -1))
    assert changed.dtype == torch.float32
    for ours, image, numbers in zip(changed, images, drawn.tolist(), strict=True):
        expected = by_hand(image.permute(1, 2, 0).double(), *numbers)
        assert torch.allclose(ours.permute(1, 2, 0).double(), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_jitter_equals_torchvisions_in_any_order_where_nothing_is_clipped(order: tuple[int, int, int]) -> None:
    images, drawn = noise(20, low=90, high=150), factors(20)
    changed = colour.change(images, drawn, STILL.expand(20, -1))
    change = (torchvision.adjust_brightness, torchvision.adjust_contrast, torchvision.adjust_saturation)
    for ours, image, numbers in zip(changed, images, drawn.tolist(), strict=True):
        theirs = image.float() / 255
        for place in order:
            theirs = change[place](theirs, numbers[place])
        assert 0 < theirs.min() < theirs.max() < 1
        assert torch.allclose(ours / 255, theirs, atol=1e-4)  # its shares of grey add up to 0.9999


def test_values_are_not_clipped() -> None:
    white = torch.full((1, 3, SIZE, SIZE), 255, dtype=torch.uint8)
    brighter = colour.change(white, torch.tensor([[1.4, 1.0, 1.0]]), STILL)
    assert torch.allclose(brighter, torch.tensor(1.4 * 255))


def test_factors_of_one_and_no_shift_leave_the_image_as_it_is() -> None:
    assert torch.equal(colour.change(noise(4), torch.ones(4, 3), torch.zeros(4, 3)), noise(4).float())


def test_a_grey_image_changes_as_a_colour_image_of_three_equal_channels_does() -> None:
    grey = noise(20, channels=1)
    shifts = colour.draw_lighting(20, 3, 0.1, torch.Generator().manual_seed(1))
    coloured = colour.change(grey.expand(-1, 3, -1, -1), factors(20), shifts)
    expected = torch.einsum("c,bchw->bhw", torch.tensor([0.299, 0.587, 0.114]), coloured)
    alone = colour.draw_lighting(20, 1, 0.1, torch.Generator().manual_seed(1))
    assert torch.allclose(colour.change(grey, factors(20), alone).squeeze(1), expected, atol=1e-3)


def test_saturation_does_nothing_to_a_grey_image() -> None:
    grey = noise(4, channels=1)
    one, two = (torch.tensor([[0.8, 1.3, saturation]]).expand(4, -1) for saturation in (0.6, 1.4))
    still = torch.zeros(4, 1)
    assert torch.allclose(colour.change(grey, one, still), colour.change(grey, two, still), atol=1e-4)


def test_factors_are_uniform_around_one_and_those_of_no_strength_are_one() -> None:
    drawn = colour.draw_jitter(20_000, (0.4, 0.0, 0.2), torch.Generator().manual_seed(0)).double()
    for column, strength in ((drawn[:, 0], 0.4), (drawn[:, 2], 0.2)):
        assert 1 - strength <= column.min() < 1 - 0.99 * strength
        assert 1 + 0.99 * strength < column.max() <= 1 + strength
        assert column.mean() == pytest.approx(1, abs=0.01)
        assert column.std() == pytest.approx(strength / math.sqrt(3), rel=0.02)
    assert (drawn[:, 1] == 1).all()
    assert abs(torch.corrcoef(drawn[:, [0, 2]].T)[0, 1]) < 0.03


def test_lighting_has_the_covariance_of_imagenets_colours_scaled() -> None:
    shifts = colour.draw_lighting(200_000, 3, 0.1, torch.Generator().manual_seed(0)).double()
    vectors = torch.tensor(
        [[-0.5675, -0.5808, -0.5836], [0.7192, -0.0045, -0.6948], [0.4009, -0.8140, 0.4203]], dtype=torch.float64
    )
    spreads = torch.tensor([0.2175, 0.0188, 0.0045], dtype=torch.float64)
    expected = 0.01 * vectors.T @ (spreads[:, None] ** 2 * vectors)
    assert torch.allclose(torch.cov(shifts.T), expected, rtol=0.02, atol=1e-7)
    assert shifts.mean(dim=0).abs().max() < 1e-4
    along = shifts @ vectors[0] / (0.1 * 0.2175)
    assert (along.abs() < 1).double().mean() == pytest.approx(0.6827, abs=0.005), "normal, not only of that spread"
    assert (along.abs() < 2).double().mean() == pytest.approx(0.9545, abs=0.003)


def test_lighting_shifts_all_pixels_of_an_image_alike() -> None:
    shifts = torch.tensor([[0.1, 0.0, -0.2]])
    changed = colour.change(noise(1), torch.ones(1, 3), shifts) - noise(1)
    assert torch.allclose(changed, 255 * shifts[..., None, None].expand_as(changed), atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_no_lighting_shifts_nothing(channels: int) -> None:
    assert torch.equal(colour.draw_lighting(9, channels, 0.0, torch.Generator()), torch.zeros(9, channels))


def test_what_is_drawn_for_an_image_does_not_depend_on_those_after_it() -> None:
    def light(count: int) -> Tensor:
        return colour.draw_lighting(count, 3, 0.1, torch.Generator().manual_seed(5))

    for few, many in ((1, 50), (17, 33)):
        assert torch.equal(factors(few), factors(many)[:few])
        assert torch.equal(light(few), light(many)[:few])
