"""From files and the user's options to what the harness knows of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from ddbench.errors import UserError
from ddbench.types import DatasetSpec
from ddbench_datasets.collection import blaming
from ddbench_datasets.decoding import Frame, square_side
from ddbench_datasets.fingerprint import fingerprint
from ddbench_datasets.statistics import statistics

if TYPE_CHECKING:
    from ddbench.types import Place
    from ddbench_datasets.collection import Collection

TEST_NAMES = ("test", "val", "validation")


class Options(Protocol):
    """The fields that ``folder`` and ``parquet`` have in common."""

    @property
    def path(self) -> str: ...  # noqa: D102 - documented where the user reads it, on the components
    @property
    def name(self) -> str | None: ...  # noqa: D102 - likewise
    @property
    def recipe(self) -> str | None: ...  # noqa: D102 - likewise
    @property
    def test(self) -> str | None: ...  # noqa: D102 - likewise
    @property
    def size(self) -> int | None: ...  # noqa: D102 - likewise
    @property
    def channels(self) -> int: ...  # noqa: D102 - likewise
    @property
    def convert(self) -> bool: ...  # noqa: D102 - likewise
    @property
    def mean(self) -> tuple[float, ...] | None: ...  # noqa: D102 - likewise
    @property
    def std(self) -> tuple[float, ...] | None: ...  # noqa: D102 - likewise


def require_sound(options: Options) -> None:
    """Check fields against one another.

    Raises:
        ValueError: they contradict each other, or a name cannot be one.
    """
    for field in ("path", "name", "recipe", "test"):
        if getattr(options, field) == "":
            raise ValueError(f"{field} must not be empty")
    if options.name is not None and (not options.name.isprintable() or set(options.name) & set("/\\")):
        raise ValueError("name must be printable and hold no slash")
    if options.test == "train":
        raise ValueError("test must be another split than train")
    if (options.mean is None) != (options.std is None):
        raise ValueError("mean and std come together")
    for field in ("mean", "std"):
        values = getattr(options, field)
        if values is not None and len(values) != options.channels:
            raise ValueError(f"{field} must have {options.channels} value(s), one per channel")


def frame_of(collection: Collection, options: Options) -> Frame:
    """Tell what every image becomes; without a size asked, the first training image sets it.

    Raises:
        UserError: the first training image does not decode or is not square.
    """
    if options.size is not None:
        return Frame(options.size, options.channels, options.convert, like=None)
    first = collection.train.reader([0])(0)
    with blaming(collection.train, 0):
        side = square_side(first)
    return Frame(side, options.channels, options.convert, like=collection.train.where(0))


def describe(collection: Collection, options: Options, place: Place, *columns: str) -> DatasetSpec:
    """Read, decode and measure what is there, unless the cache knows these files already.

    ``columns`` are those chosen of the files, if they have more than one can use.

    Raises:
        UserError: an image or a file cannot be used; nothing but the cache has been written.
    """
    frame = frame_of(collection, options)
    facts = [collection.class_names, options.size, options.channels, options.convert, columns]
    digest = fingerprint(collection.root, collection.files, facts, place.cache)
    measured = statistics(collection, frame, place.cache / "statistics" / f"{digest}.json")
    mean, std = options.mean or tuple(measured["mean"]), options.std or tuple(measured["std"])
    if 0 in std:
        raise UserError(
            f"all training pixels in {collection.root} are alike in channel {std.index(0)}: give mean= and std="
        )
    name = options.name or collection.root.resolve().name
    labels = {"train": collection.train.labels, "test": collection.test.labels}
    return DatasetSpec(
        name=name,
        recipe=options.recipe or name,
        num_classes=len(collection.class_names),
        image_size=frame.size,
        channels=frame.channels,
        mean=mean,
        std=std,
        sizes={split: len(values) for split, values in labels.items()},
        class_counts=tuple(np.bincount(labels["train"]).tolist()),
        fingerprint=digest,
        class_names=collection.class_names,
    )
