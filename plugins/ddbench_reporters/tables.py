"""From the cells of a frame to the tables that a paper would print, as text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ddbench_reporters import best
from ddbench_reporters.beside import beside
from ddbench_reporters.cost import cost
from ddbench_reporters.grid import grid
from ddbench_reporters.layout import GAP, ROW, Number, Table
from ddbench_reporters.scores import scores
from ddbench_reporters.spread import with_failures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddbench.types import RenderTask, Select
    from ddbench_reporters.grid import Grid, Line, Square

_QUIET = ("data", "precision")  # shown where they differ
_DATA = "data: digest of images and classes; another copy, or one with images held out, is other data"
_DISTILLATIONS = "over n distillations, each the mean of its trainings"
_TRAININGS = "over n trainings on one distilled set"
_SELECTED: dict[Select, str] = {
    "last": "after the last epoch",
    "best": "after the epoch that is best on that split",
    "val": "after the epoch that is best on held-out training images",
}


def tables(task: RenderTask) -> tuple[Table, ...]:
    """Return the tables of a frame: accuracies, these beside a paper's, metrics where there are any, and costs.

    What all rows share goes into the title.
    """
    return of_grid(grid(task.frame, task.select), task)


def of_grid(cells: Grid, task: RenderTask) -> tuple[Table, ...]:
    """Return the same tables, of cells that are at hand."""
    compared = beside(cells.trials, task.frame[task.frame["status"] == "reported"])
    if not cells.lines:
        return (compared or Table("no results", ("synthesizer", "ipc"), (), 0),)
    shown = [name for name in ROW if name not in cells.shared]
    every = (_accuracy(cells, shown, task.select), compared, *scores(cells, shown, task.metrics), cost(cells, shown))
    return tuple(table for table in every if table is not None)


def _accuracy(cells: Grid, shown: list[str], select: Select) -> Table:
    title = ", ".join(f"{name} {value}" for name, value in cells.shared.items() if name not in _QUIET)
    several = len(cells.architectures) > 1
    taught = "teacher top-1" if "teacher" in shown else "teacher"
    header = (*shown, *cells.architectures, *(["mean"] if several else []), taught)
    rows = [_row(line, cells, shown) for line in cells.lines]
    return Table(
        title=f"top-1 in %: {title}" if title else "top-1 in %",
        header=header,
        rows=tuple(tuple(words for words, _ in row) for row in rows),
        numeric=len(header) - len(shown),
        notes=(*_notes(cells, select), *([_DATA] if "data" in shown else [])),
        places=tuple(line.place for line in cells.lines),
        behind={
            (place, column): number
            for place, row in enumerate(rows)
            for column, (_, number) in enumerate(row)
            if number is not None
        },
    )


def _row(line: Line, cells: Grid, shown: list[str]) -> list[tuple[str, Number | None]]:
    squares = [line.squares.get(name) for name in cells.architectures]
    names: list[tuple[str, Number | None]] = [(line.place[name], None) for name in shown]
    numbers = [_square(square, cells) for square in squares]
    return [*names, *numbers, *([_mean(squares)] if len(squares) > 1 else []), _teacher(line)]


def _square(square: Square | None, cells: Grid) -> tuple[str, Number | None]:
    if square is None:
        return GAP, None
    behind = Number(square.summary.mean, square.name, square.name in cells.best, square.flagged)
    return with_failures(square.summary, square.rows), behind


def _mean(squares: list[Square | None]) -> tuple[str, Number | None]:
    means = [square.summary.mean if square is not None and square.whole else math.nan for square in squares]
    mean = sum(means) / len(means)
    return (GAP, None) if math.isnan(mean) else (f"{mean:.1f}", Number(mean))


def _teacher(line: Line) -> tuple[str, Number | None]:
    scores = line.trials["teacher_top1"].dropna()
    if scores.empty:
        return GAP, None
    return f"{scores.mean():.1f}", Number(float(scores.mean()), next(iter(line.squares.values())).name)


def _notes(cells: Grid, select: Select) -> Iterator[str]:
    yield f"mean ± standard deviation (n) {axis(cells)}; accuracy on the test split {_SELECTED[select]}"
    if cells.best:
        yield best.LEGEND
    failed = cells.trials["status"] == "failed"
    yield from (f"failed: {error}" for error in cells.trials.loc[failed, "error"].unique())
    flagged = cells.trials["flag"].fillna("")
    for flag, count in flagged[flagged != ""].value_counts().items():
        yield f"{count} results are flagged: {flag}"
    if cells.older:
        yield f"{cells.older} older results of the same trials, made by other settings or versions, are left out"


def axis(cells: Grid) -> str:
    """Say what n counts: distillations, trainings, or in some cells the one and in others the other."""
    seeds = [{row["synthesis_seed"] for row in square.rows if row["status"] == "done"} for square in cells.squares]
    distilled = [len(each) > 1 for each in seeds if each]
    if not any(distilled):
        return _TRAININGS
    return _DISTILLATIONS if all(distilled) else f"{_DISTILLATIONS}, where there are several, else {_TRAININGS}"
