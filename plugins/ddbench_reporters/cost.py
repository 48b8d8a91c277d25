"""The table of what distilled sets and students cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ddbench_reporters.layout import GAP, Number, Table, count, seconds, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from ddbench_reporters.grid import Grid, Line

_NOTES = (
    "passes: images sent forward + backward through teacher or generator, once a method has prepared",
    "labels made by a live teacher weigh as much as the teacher",
)
_PREPARED_NOTE = "prepare s: what a method takes before its first image, once for all, without its generator's training"


def cost(cells: Grid, shown: list[str]) -> Table:
    """Return a row for each line of the grid; ``shown`` are its columns that are not numbers."""
    prepared = bool(cells.trials["prepare_seconds"].notna().any())
    before = ("prepare s",) if prepared else ()
    header = (*shown, *before, "s per ipc", "passes per ipc", "student s", "peak memory", "images", "labels")
    rows = [[*(_preparation(line.trials) for _ in before), *_costs(line.trials)] for line in cells.lines]
    return Table(
        title="cost",
        header=header,
        rows=tuple(
            (*(line.place[name] for name in shown), *(words for words, _ in row))
            for line, row in zip(cells.lines, rows, strict=True)
        ),
        numeric=len(header) - len(shown),
        notes=(_PREPARED_NOTE, *_NOTES) if prepared else _NOTES,
        places=tuple(line.place for line in cells.lines),
        behind={
            (place, len(shown) + column): Number(value, _name(line))
            for place, (line, row) in enumerate(zip(cells.lines, rows, strict=True))
            for column, (_, value) in enumerate(row)
            if not math.isnan(value)
        },
    )


def _name(line: Line) -> tuple[str, ...]:
    """Return the first of a line's cells: what the images cost is the same for all of them."""
    return next(iter(line.squares.values())).name


def _preparation(trials: pd.DataFrame) -> tuple[str, float]:
    return _written(seconds, trials.drop_duplicates("synthesis_seed")["prepare_seconds"].mean())


def _costs(trials: pd.DataFrame) -> Iterator[tuple[str, float]]:
    made = trials.drop_duplicates("synthesis_seed")
    forward, backward = (
        float((made[f"synthesize_{way}_images"] / made["ipc"]).mean()) for way in ("forward", "backward")
    )
    passes = GAP if math.isnan(forward) else f"{count(forward)} + {count(backward)}"
    yield _written(seconds, (made["synthesize_seconds"] / made["ipc"]).mean())
    yield passes, forward + backward
    yield _written(seconds, trials["evaluate_seconds"].mean())
    yield _written(size, trials[["prepare_peak_memory_bytes", "synthesize_peak_memory_bytes"]].max().max())
    yield _written(size, trials["image_bytes"].max())
    yield _written(size, trials["label_bytes"].max())


def _written(write: Callable[[float], str], value: float) -> tuple[str, float]:
    return write(float(value)), float(value)
