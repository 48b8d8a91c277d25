from __future__ import annotations

import pytest
import torch
from torch import nn

from ddbench_architectures.fit import fit_stem, is_small, relaxed


@pytest.mark.parametrize(
    ("size", "last_map", "expected"),
    [
        (224, 4, (2, 2, 2, 2)),
        (64, 4, (2, 2, 2, 2)),
        (32, 4, (1, 2, 2, 2)),
        (16, 4, (1, 1, 2, 2)),
        (8, 4, (1, 1, 1, 2)),
        (4, 4, (1, 1, 1, 1)),
        (2, 4, (1, 1, 1, 1)),
        (28, 4, (1, 2, 2, 2)),  # 28 -> 14 -> 7 -> 4: odd maps round up
        (25, 4, (1, 2, 2, 2)),
        (24, 4, (1, 1, 2, 2)),
        (32, 2, (2, 2, 2, 2)),
    ],
)
def test_the_first_strides_go_until_the_last_map_is_large_enough(
    size: int, last_map: int, expected: tuple[int, ...]
) -> None:
    assert relaxed((2, 2, 2, 2), size, last_map) == expected


@pytest.mark.parametrize(
    ("stem", "size", "expected"),
    [("auto", 64, True), ("auto", 65, False), ("small", 224, True), ("imagenet", 8, False)],
)
def test_sixty_four_pixels_and_less_are_small_unless_the_stem_is_chosen(stem: str, size: int, expected: bool) -> None:
    assert is_small(stem, size) is expected


def test_a_stem_keeps_its_width_and_bias_and_loses_stride_and_pool() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 4, 3))
    fit_stem(model, 1, small=True)
    assert isinstance(model[0], nn.Conv2d)
    assert model[0].weight.shape == (8, 1, 3, 3)
    assert model[0].bias is None
    assert model(torch.zeros(1, 1, 8, 8)).shape == (1, 4, 6, 6)


def test_a_network_without_strided_stem_keeps_its_pools() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2))
    fit_stem(model, 3, small=True)
    assert model(torch.zeros(1, 3, 8, 8)).shape == (1, 8, 4, 4)


def test_a_pool_behind_the_stem_stays() -> None:
    stages = [nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)]
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), *stages, nn.MaxPool2d(2))
    fit_stem(model, 3, small=True)
    assert model(torch.zeros(1, 3, 8, 8)).shape == (1, 8, 4, 4)


def test_other_channels_alone_change_only_the_inputs_of_the_first_convolution() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.MaxPool2d(2), nn.Conv2d(8, 8, 1))
    second = model[2]
    fit_stem(model, 1, small=False)
    assert model(torch.zeros(1, 1, 16, 16)).shape == (1, 8, 4, 4)
    assert model[2] is second


def test_a_stock_stem_that_fits_is_left_alone() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.MaxPool2d(2))
    before = list(model)
    fit_stem(model, 3, small=False)
    assert list(model) == before
