"""Mean and deviation of a data set's pixels, measured once."""

from __future__ import annotations

import itertools
import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ddbench_datasets.collection import decode_batch
from ddbench_datasets.records import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from ddbench_datasets.collection import Collection, Source
    from ddbench_datasets.decoding import Frame

BATCH = 256


def statistics(collection: Collection, frame: Frame, record: Path) -> dict[str, list[float]]:
    """Return ``mean`` and ``std`` per channel over all training pixels, in [0, 1], to four digits.

    They come from the record where there is one. Otherwise every image of both splits is decoded, so that a record
    also says that all of them do.

    Raises:
        UserError: an image does not decode or does not fit the frame, or the record cannot be written.
    """
    return recorded(record, lambda value: _valid(value, frame), lambda: _measure(collection, frame))  # type: ignore[no-any-return]


def moments(counted: int, total: int, squares: int) -> tuple[float, float]:
    """Return mean and population standard deviation in [0, 1] from exact sums of levels 0 .. 255."""
    deviation = math.sqrt(counted * squares - total * total) / counted
    return _rounded(total / counted / 255), _rounded(deviation / 255)


def _rounded(value: float) -> float:
    # Four digits, the field's habit: JPEG decoders that differ in a last bit must not move keys.
    return float(f"{value:.4g}")


def _valid(record: Any, frame: Frame) -> bool:
    lists = [record.get(name) for name in ("mean", "std")] if isinstance(record, dict) else [None]
    return all(
        isinstance(values, list) and [type(value) for value in values] == [float] * frame.channels for values in lists
    )


def _measure(collection: Collection, frame: Frame) -> dict[str, list[float]]:
    totals = [(0, 0, 0)] * frame.channels
    for batch in _sweep(collection.train, frame):
        totals = [_added(*total, batch[:, channel]) for channel, total in enumerate(totals)]
    for _ in _sweep(collection.test, frame):
        pass  # decoding is the check
    mean, std = zip(*(moments(*total) for total in totals), strict=True)
    return {"mean": list(mean), "std": list(std)}


def _sweep(source: Source, frame: Frame) -> Iterator[npt.NDArray[np.uint8]]:
    threads = min(32, os.cpu_count() or 1)
    count = len(source.labels)
    for start, stop in itertools.pairwise([*range(0, count, BATCH), count]):
        yield decode_batch(source, range(start, stop), frame, threads)


def _added(counted: int, total: int, squares: int, levels: npt.NDArray[np.uint8]) -> tuple[int, int, int]:
    flat = levels.ravel().astype(np.float64)  # whole numbers below 2**53: the sums are exact
    return counted + flat.size, total + int(flat.sum()), squares + int(flat @ flat)
