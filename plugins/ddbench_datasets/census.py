"""How many images lie in each class folder of a split, for data sets too large to be read when a run is planned."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ddbench_datasets.files import folders_in, is_image
from ddbench_datasets.fingerprint import digest_of, reading
from ddbench_datasets.records import recorded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

THREADS = 16  # they wait for the file system


def census(split: Path, cache: Path, only: Sequence[str] | None = None) -> dict[str, tuple[int, str]]:
    """Return, for each class folder, the number of images in it and a digest of their names and sizes.

    With ``only``, other folders are passed over, and those that are there come in its order.

    It is remembered for as long as no folder's time of change moves, as it does when a file is added, removed or
    renamed, so that a million files need not be asked at every plan; files overwritten in place go unnoticed.

    Raises:
        UserError: a folder cannot be read, or the cache cannot be written.
    """
    classes = folders_in(split)
    if only is not None:
        classes = tuple(name for name in only if name in classes)
    changes = [[name, (split / name).stat().st_mtime_ns] for name in classes]
    record = cache / "listings" / f"{digest_of([str(split.resolve()), changes])}.json"
    counted = recorded(record, lambda value: _valid(value, classes), lambda: _count(split, classes))
    return {name: (count, digest) for name, count, digest in counted}


def names_in(split: Path, classes: Sequence[str]) -> list[list[str]]:
    """Return the names of the images in each class folder, sorted by code points.

    Raises:
        UserError: a folder cannot be read.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda name: [image for image, _ in _images(split / name, sized=False)], classes))


def _count(split: Path, classes: Sequence[str]) -> list[list[Any]]:
    with ThreadPoolExecutor(THREADS) as pool:
        listings = pool.map(lambda name: _images(split / name, sized=True), classes)
        return [[name, len(images), digest_of(images)] for name, images in zip(classes, listings, strict=True)]


def _images(folder: Path, *, sized: bool) -> list[tuple[str, int]]:
    """Return the images in a folder with their sizes, or 0 for each, sorted."""
    with reading(folder), os.scandir(folder) as entries:
        found = [entry for entry in entries if is_image(entry.name)]
        return sorted((entry.name, entry.stat().st_size if sized else 0) for entry in found)


def _valid(record: Any, classes: Sequence[str]) -> bool:
    rows = record if isinstance(record, list) else []
    kinds = [[type(value) for value in row] if isinstance(row, list) else None for row in rows]
    return kinds == [[str, int, str]] * len(classes) and [row[0] for row in rows] == list(classes)
