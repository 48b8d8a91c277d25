"""A small world: four classes of random pictures, and a teacher that has seen nothing."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from ddbench.types import Compute, DatasetSpec, SynthesisTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

CLASSES, PER_CLASS, SIZE = 4, 6, 8


@dataclass
class Pictures:
    pixels: Tensor
    labels: Tensor
    read: list[int] = field(default_factory=list)

    def images(self, indices: Tensor | slice) -> Tensor:
        assert isinstance(indices, torch.Tensor)
        self.read += indices.tolist()
        return self.pixels[indices]


@pytest.fixture
def data() -> DatasetSpec:
    counts = (PER_CLASS,) * CLASSES
    sizes = {"train": CLASSES * PER_CLASS, "test": 0}
    return DatasetSpec("toy", "toy", CLASSES, SIZE, 3, (0.5,) * 3, (0.25,) * 3, sizes, counts, "00", tuple("abcd"))


@pytest.fixture
def pictures() -> Pictures:
    numbers = torch.Generator().manual_seed(5)
    pixels = torch.randint(0, 256, (CLASSES * PER_CLASS, 3, SIZE, SIZE), generator=numbers).to(torch.uint8)
    return Pictures(pixels, torch.arange(CLASSES).repeat(PER_CLASS))


@pytest.fixture
def teacher() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        layers = [nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8)]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)).eval()


@pytest.fixture
def make_task(data: DatasetSpec, pictures: Pictures, teacher: nn.Module) -> Callable[..., SynthesisTask]:
    def make(*indices: int, seed: int = 0, stage_seed: int = 11) -> SynthesisTask:
        compute = Compute(torch.device("cpu"), "float32", stage_seed, lambda *_, **__: None)
        return SynthesisTask(data, pictures, lambda: copy.deepcopy(teacher), {}, indices, seed, compute)

    return make
