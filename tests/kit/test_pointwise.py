"""Convolutions computed as products equal convolutions."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ddbench.kit.pointwise import rewrite

SHAPES = [
    (nn.Conv2d(6, 5, 1, bias=False), 4),
    (nn.Conv2d(6, 5, 1, stride=2), 5),
    (nn.Conv2d(6, 5, 1, stride=(1, 2)), 4),
    (nn.Conv2d(6, 5, 3, padding=1), 1),
    (nn.Conv2d(6, 5, 3, stride=2, padding=1), 1),
    (nn.Conv2d(6, 5, 3, padding=1), 3),
]


def outcome(layer: nn.Conv2d, images: torch.Tensor) -> list[torch.Tensor]:
    images = images.clone().requires_grad_()
    result = layer(images)
    result.square().sum().backward()
    assert images.grad is not None
    assert layer.weight.grad is not None
    return [result.detach(), images.grad, layer.weight.grad]


@pytest.mark.parametrize(("layer", "size"), SHAPES, ids=str)
def test_outputs_and_gradients_equal_those_of_the_convolution(layer: nn.Conv2d, size: int) -> None:
    layer = copy.deepcopy(layer).double()
    images = torch.randn(3, 6, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = outcome(copy.deepcopy(layer), images)
    rewritten = rewrite(copy.deepcopy(layer))
    assert type(rewritten) is not nn.Conv2d
    assert isinstance(rewritten, nn.Conv2d)
    for found, wanted in zip(outcome(rewritten, images), expected, strict=True):
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 4, 1, groups=4),
        nn.Conv2d(4, 4, 1, padding=1),
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 3, padding=1, dilation=2),
        nn.ConvTranspose2d(4, 4, 1),
    ],
    ids=str,
)
def test_other_layers_stay_as_they_are(layer: nn.Module) -> None:
    before = type(layer)
    assert type(rewrite(layer)) is before


def test_weights_keep_their_names_and_copies_stay_rewritten() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 3, padding=1))
    names = list(model.state_dict())
    copied = copy.deepcopy(rewrite(model))
    assert list(copied.state_dict()) == names
    assert type(next(copied.children())) is type(next(model.children())) is not nn.Conv2d
