"""From a frame of trials to cells: a line for each method, setting and ipc, a square for each architecture."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddbench.types import NUMBERS
from ddbench_reporters.best import leader
from ddbench_reporters.layout import CELL, GAP, ROW, SETTINGS
from ddbench_reporters.spread import Spread, failures, flags, known, spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd

    from ddbench.types import Select
    from ddbench_reporters.spread import Row

    Name = tuple[str, ...]

_COUNTS = ("ipc", "synthesis_seed", "evaluation_seed")  # whole numbers of every trial; of a published one, maybe gaps
_EXAM = ("dataset", "data", "precision", "labeler", "evaluator", "ipc", "architecture")


@dataclass(frozen=True)
class Square:
    """The trials of one cell, as rows of the frame. ``place`` holds its coordinates as text, by column."""

    place: Mapping[str, str]
    rows: tuple[Row, ...]
    summary: Spread

    @property
    def name(self) -> Name:
        """The values of ``CELL``: tells it from all others."""
        return tuple(self.place[name] for name in CELL)

    @property
    def whole(self) -> bool:
        """Whether nothing failed: a mean is never silently shortened."""
        return not failures(self.rows)

    @functools.cached_property
    def flagged(self) -> int:
        """How many of its trials are flagged."""
        return flags(self.rows)


@dataclass(frozen=True)
class Line:
    """A row of the table: one method under one set of settings, its squares by architecture."""

    place: Mapping[str, str]
    trials: pd.DataFrame
    squares: Mapping[str, Square]


@dataclass(frozen=True)
class Grid:
    """All cells of a frame.

    Attributes:
        lines: in the order of the run, by ipc within a method.
        architectures: names of columns.
        trials: one result a trial, the newest.
        best: names of the squares that lead their column.
        older: how many results of the same trials were left out for newer ones.
    """

    lines: tuple[Line, ...]
    architectures: tuple[str, ...]
    trials: pd.DataFrame
    best: frozenset[Name]
    older: int

    @property
    def squares(self) -> Iterator[Square]:
        """All squares, line by line."""
        return (square for line in self.lines for square in line.squares.values())

    @property
    def shared(self) -> dict[str, str]:
        """The settings that all trials share."""
        return {
            name: text(self.trials[name].iloc[0]) for name in SETTINGS if self.trials[name].nunique(dropna=False) == 1
        }


def grid(frame: pd.DataFrame, select: Select = "last") -> Grid:
    """Return the cells of a frame of trials; rows that are published numbers are left out.

    ``select`` says which accuracy is the number of a trial.
    """
    measured = frame[frame["status"] != "reported"].astype(dict.fromkeys(_COUNTS, "int64"))
    trials = newest(measured).reset_index(drop=True)
    rows = [{str(name): value for name, value in row.items()} for row in trials.to_dict("records")]
    found = [(key, each) for key, each in trials.groupby(list(ROW), sort=False, dropna=False)]
    ordered = [(key, each, [rows[place] for place in each.index]) for key, each in sorted(found, key=_order(trials))]
    lines = tuple(_line(key, each, its, NUMBERS[select]) for key, each, its in ordered)
    best = frozenset(_best(square for line in lines for square in line.squares.values()))
    return Grid(lines, tuple(map(text, trials["architecture"].unique())), trials, best, len(measured) - len(trials))


def newest(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep one result a trial, the newest: an older version or recipe of a component may have left others."""
    trial = [*CELL, "synthesis_seed", "evaluation_seed"]
    kept = frame.sort_values("started_at", na_position="first").drop_duplicates(trial, keep="last").index
    return frame.loc[kept].sort_index()


def text(value: Any) -> str:
    """Write a coordinate; a gap where it is missing."""
    return str(value) if known(value) else GAP


def _order(trials: pd.DataFrame) -> Any:
    """Order lines as the run did, and by ipc within a method."""
    places = [{value: place for place, value in enumerate(trials[name].unique())} for name in ROW[:-1]]

    def order(pair: tuple[tuple[Any, ...], Any]) -> tuple[Any, ...]:
        *names, ipc = pair[0]
        return (*(places[column].get(name, -1) for column, name in enumerate(names)), ipc)

    return order


def _line(key: tuple[Any, ...], trials: pd.DataFrame, rows: list[Row], number: str) -> Line:
    place = {name: text(value) for name, value in zip(ROW, key, strict=True)}
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(text(row["architecture"]), []).append(row)
    squares = {
        architecture: Square({**place, "architecture": architecture}, tuple(each), spread(each, number))
        for architecture, each in found.items()
    }
    return Line(place, trials, squares)


def _best(squares: Iterable[Square]) -> Iterator[Name]:
    """Yield the squares that lead all others of the same exam; one with a flagged trial leads nobody."""
    exams: dict[Name, list[Square]] = {}
    for square in squares:
        exams.setdefault(tuple(square.place[name] for name in _EXAM), []).append(square)
    for rivals in exams.values():
        first = leader([square.summary for square in rivals])
        if first is not None and not rivals[first].flagged:
            yield rivals[first].name
