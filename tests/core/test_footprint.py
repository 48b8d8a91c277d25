"""Memory told without computing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ddbench.footprint import footprint
from ddbench.testing import toys
from ddbench.types import DatasetSpec, Passes, Place

COUNT, SIZE, WIDTH = 16, 8, 6
PLANE = COUNT * SIZE * SIZE * 4  # bytes of one channel of a batch, float32


@pytest.fixture
def data() -> DatasetSpec:
    return toys.ToyDataset(3, SIZE, 2).spec(Place(Path(), Path()))


@pytest.fixture
def model() -> nn.Module:
    layers = (nn.Conv2d(2, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU())
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTH, 3))


def test_training_keeps_what_each_layer_saw_and_four_times_the_weights(model: nn.Module, data: DatasetSpec) -> None:
    found = footprint(model, data, Passes("student", 100, "weights", COUNT), "float32")
    assert found.fixed == 4 * sum(value.nbytes for value in model.state_dict().values())
    saved = (2 + WIDTH + WIDTH) * PLANE  # the images, and what went into batch norm and came out of the rectifier
    gradients = 2 * WIDTH * PLANE
    assert found.batch == pytest.approx(saved + gradients + 2 * PLANE, rel=0.02)  # and the images themselves
    half = footprint(model, data, Passes("student", 100, "weights", COUNT // 2), "float32")
    assert half.batch == pytest.approx(found.batch / 2, rel=0.02)


def test_frozen_weights_stand_for_themselves_and_images_for_four(model: nn.Module, data: DatasetSpec) -> None:
    found = footprint(model, data, Passes("teacher", 100, "images", COUNT), "float32")
    assert found.fixed == sum(value.nbytes for value in model.state_dict().values())
    least = WIDTH * PLANE + 2 * WIDTH * PLANE + 4 * 2 * PLANE  # statistics are matched on what goes into batch norm
    assert least <= found.batch <= least + 2 * WIDTH * PLANE


def test_a_pass_forward_keeps_nothing_for_the_way_back(model: nn.Module, data: DatasetSpec) -> None:
    found = footprint(model, data, Passes("teacher", 100, "nothing", COUNT), "float32")
    assert found.batch == (2 + 2 * WIDTH) * PLANE


def test_a_batch_is_no_larger_than_there_are_images_and_half_as_large_in_bfloat16(
    model: nn.Module, data: DatasetSpec
) -> None:
    full, few = (footprint(model, data, Passes("student", n, "weights", COUNT), "float32") for n in (100, COUNT // 4))
    assert few.batch == pytest.approx(full.batch / 4, rel=0.05)
    mixed = footprint(model, data, Passes("student", 100, "weights", COUNT), "bfloat16")
    assert mixed.batch == pytest.approx((full.batch - 2 * PLANE) / 2 + 2 * PLANE)


def test_the_network_stays_as_it_was(model: nn.Module, data: DatasetSpec) -> None:
    model.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    footprint(model, data, Passes("student", 100, "weights", COUNT), "float32")
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
