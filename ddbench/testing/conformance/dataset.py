"""Promises of data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ddbench.testing.bench import Bench
from ddbench.testing.conformance.declaration import check_component
from ddbench.testing.conformance.promises import promise, promised

if TYPE_CHECKING:
    from ddbench.protocols import Dataset
    from ddbench.types import DatasetSpec, Examples, Split


def check_dataset(component: Dataset, bench: Bench | None = None) -> None:
    """Check that a data set is what its ``spec`` says, and hands out uint8 images in the order asked.

    ``bench.place`` tells where the files lie.
    """
    check_component(component)
    place = (bench or Bench()).place
    data = component.spec(place)  # a UserError of its own tells best which file is missing
    with promise("describes itself alike at every call"):
        promised(component, component.spec(place) == data, "describes itself differently the second time")
    with promise("describes every class and every channel, and has a fingerprint"):
        _check_lengths(component, data)
    for split in ("train", "test"):
        _check_split(component, data, split, component.open(split, place))
        with promise("opens the same images at every call"):
            again = component.open(split, place)
            same = torch.equal(component.open(split, place).images(slice(0, 8)), again.images(slice(0, 8)))
            promised(component, same, f"opens other {split} images the second time")
    with promise("has as many training images of each class as it says"):
        counts = component.open("train", place).labels.bincount(minlength=data.num_classes).tolist()
        told = tuple(counts) == tuple(data.class_counts)
        promised(component, told, "has other class_counts than its training labels")


def _check_lengths(component: Dataset, data: DatasetSpec) -> None:
    named = len(data.class_names) == len(data.class_counts) == data.num_classes
    promised(component, named, "has not one class name and one class count for each of num_classes")
    measured = len(data.mean) == len(data.std) == data.channels
    promised(component, measured, "has not one mean and one std for each of its channels")
    promised(component, min(data.std) > 0, "has a std that is not above 0")
    promised(component, min(data.class_counts) > 0, "has a class without training images")
    promised(component, bool(data.fingerprint), "has no fingerprint, so that keys cannot tell its content")


def _check_split(component: Dataset, data: DatasetSpec, split: Split, examples: Examples) -> None:
    labels, count = examples.labels, data.sizes[split]
    with promise("has int64 labels 0 .. num_classes - 1", vital=True):
        typed = labels.dtype == torch.int64 and labels.shape == (count,)
        promised(component, typed, f"has not {count} int64 {split} labels")
        inside = bool(((labels >= 0) & (labels < data.num_classes)).all())
        promised(component, inside, f"has {split} labels outside 0 .. num_classes - 1")
    shape = (data.channels, data.image_size, data.image_size)
    order = torch.tensor([count - 1, 0, count // 2])
    with promise("gives uint8 images of the shape it says", vital=True):
        images, whole = examples.images(order), examples.images(slice(None))
        promised(component, images.dtype == torch.uint8, f"gives {split} images of {images.dtype}, not of uint8")
        promised(component, images.shape == (3, *shape), f"gives {split} images of another shape than its spec says")
    with promise("gives images in the order asked"):
        promised(component, len(whole) == count, f"gives other {split} images for a slice than it has labels")
        promised(component, torch.equal(images, whole[order]), f"gives {split} images in another order than asked")
