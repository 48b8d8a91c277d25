"""A small distilled set, written in the layouts of others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image
from torch import Tensor

from ddbench.testing.bench import Bench, joined
from ddbench.testing.toys import ToyDataset
from ddbench_imported.synthesizer import Images

if TYPE_CHECKING:
    from pathlib import Path

    from ddbench.types import Batch, DatasetSpec, Distilled

Name = Callable[[int, int], str]


@dataclass(frozen=True)
class World:
    """Toys, and the first images of each of their classes, in the order in which folders are read."""

    bench: Bench
    made: Distilled

    @property
    def data(self) -> DatasetSpec:
        return self.bench.data

    def picture(self, place: int) -> Image.Image:
        """Return an image as Pillow has it."""
        pixels = self.made.images[place]
        return Image.fromarray(pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).numpy().copy())

    def write(self, root: Path, name: Name) -> Path:
        """Write a folder of images, named by class and by number within the class."""
        for place, label in enumerate(self.made.labels.tolist()):
            path = root / name(label, place // self.data.num_classes)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.picture(place).save(path)
        return root

    def read(self, images: Images) -> Batch:
        """Let a set be planned and made."""
        images.check(self.bench.check_task(self.made.ipc))
        return joined(images.synthesize(self.bench.synthesis_task(*range(self.made.ipc), joint=True)))

    def reads(self, path: Path, images: Tensor | None = None, **options: object) -> bool:
        """Tell whether a set is read as these images, in this order."""
        found = self.read(Images(str(path), verify=False, **options))  # type: ignore[arg-type]  # as a test writes them
        wanted = self.made.images if images is None else images
        return torch.equal(found.images, wanted) and torch.equal(found.labels, self.made.labels)


@pytest.fixture
def world() -> World:
    bench = Bench(ToyDataset())
    return World(bench, bench.distilled())


@pytest.fixture
def many() -> World:
    """Twelve images of each class: enough to tell a swap from chance."""
    bench = Bench(ToyDataset())
    return World(bench, bench.distilled(12))


@pytest.fixture
def colourful() -> World:
    bench = Bench(ToyDataset(channels=3))
    return World(bench, bench.distilled())


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    """Write an ImageFolder; its path has spaces, and letters of several alphabets."""
    return world.write(tmp_path / "mein Satz ü 集", lambda label, index: f"stripes {label}/{index}.png")


@pytest.fixture
def imagenet(world: World) -> DatasetSpec:
    """Describe three classes of ImageNet: tench, English springer, cassette player."""
    names = ("tench", "English springer", "cassette player")
    return replace(world.data, class_names=names, imagenet_classes=(0, 217, 482))
