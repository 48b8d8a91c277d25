"""Prints how fast large images come: decoded by ddbench's processes ahead of the network, and by a data loader alone.

Photographs are made up: smooth noise, 500x375, JPEG at quality 90. Both sides scale the shorter side to 256 and cut 224
pixels from the centre, with as many processes. ``kept`` is a split of less than 512 MiB, decoded once and held in
memory, when it is asked for again.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import torch
from PIL import Image

from ddbench.kit.reading import Streamed, ahead
from ddbench.registry import registry
from ddbench.spec import Spec
from ddbench.types import Place
from ddbench_datasets import examples, workers

if TYPE_CHECKING:
    from collections.abc import Iterable

CLASSES, SIZE = 4, (500, 375)


def make(folder: Path, count: int) -> None:
    """Write so many photographs under train and test, one folder a class."""
    random = np.random.default_rng(0)
    for number in range(count):
        for split in ("train", "test"):
            place = folder / split / f"class{number % CLASSES}"
            place.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
            coarse.resize(SIZE, Image.Resampling.BICUBIC).save(place / f"{number:05d}.jpg", quality=90)


def through_loader(folder: Path, batch: int, count: int, where: torch.device) -> Iterable[torch.Tensor]:
    """Yield batches as scripts for ImageNet read them."""
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    steps = [transforms.Resize(256), transforms.CenterCrop(224), transforms.PILToTensor()]
    dataset = ImageFolder(str(folder / "train"), transforms.Compose(steps))
    loader = DataLoader(dataset, batch_size=batch, shuffle=True, num_workers=count, pin_memory=where.type == "cuda")
    return (images.to(where, non_blocking=True) for images, _ in loader)


def through_ddbench(split: Any, batch: int, where: torch.device) -> Iterable[torch.Tensor]:
    """Yield the same batches as ``ddbench.kit.views`` reads them."""
    order = torch.randperm(len(split.labels))
    return ahead(Streamed(split, where), torch.split(order, batch))


def rate(batches: Iterable[torch.Tensor], where: torch.device) -> float:
    """Return images per second."""
    start, count = time.perf_counter(), 0
    for images in batches:
        count += len(images)
    if where.type == "cuda":
        torch.cuda.synchronize(where)
    return count / (time.perf_counter() - start)


@click.command()
@click.option("--device", "name", default="cpu", show_default=True)
@click.option("--images", default=512, show_default=True)
@click.option("--batch", default=64, show_default=True)
@click.option("--workers", "count", type=int, default=examples.worker_count())
@click.option("--repeats", default=3, show_default=True)
def main(name: str, images: int, batch: int, count: int, repeats: int) -> None:
    """Print images per second."""
    where = torch.device(name)
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), images)
        dataset = registry().resolve("dataset", Spec.parse(f"folder[path={folder},size=224]")).component
        place = Place(Path(folder), Path(folder) / "cache")
        dataset.spec(place)
        kept = dataset.open("train", place)
        streamed = examples.StreamingExamples(kept._streamed.source, kept._streamed.frame, _decoder(count))
        kept.images(slice(None))
        rates: dict[str, list[float]] = {"data loader": [], "ddbench, streamed": [], "ddbench, kept": []}
        for turn in range(repeats + 1):
            each = (
                through_loader(Path(folder), batch, count, where),
                through_ddbench(streamed, batch, where),
                through_ddbench(kept, batch, where),
            )
            for measured, batches in zip(rates.values(), each, strict=True):
                found = rate(batches, where)
                measured.extend([found] if turn else [])  # the first round starts processes
        workers.close()
    print(f"{images} JPEGs of {SIZE[0]}x{SIZE[1]} to 224 pixels, {count} process(es), {name}, median of {repeats}")
    for row, measured in rates.items():
        print(f"{row:20}{float(np.median(measured)):10.0f} images/s")


def _decoder(count: int) -> examples.Decode:
    return lambda source, indices, frame: workers.decode(source, indices, frame, count)


if __name__ == "__main__":
    main()
