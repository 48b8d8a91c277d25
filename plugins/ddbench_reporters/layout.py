"""What a table of text is made of, and how its numbers are written."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GAP = "\N{EN DASH}"
SETTINGS = ("dataset", "data", "precision", "teacher", "labeler", "evaluator")  # of a cell, beside method, ipc, student
ROW = (*SETTINGS, "synthesizer", "ipc")
CELL = (*ROW, "architecture")


@dataclass(frozen=True)
class Number:
    """What stands behind a number of a table.

    Attributes:
        value: unrounded, NaN for a gap; tables sort by it.
        cell: of which cell's trials it is, the values of ``CELL`` as text; empty where it is of none or of several.
        best: whether it stands out from the others of its column (:mod:`ddbench_reporters.best`).
        flagged: how many of its trials are flagged.
    """

    value: float
    cell: tuple[str, ...] = ()
    best: bool = False
    flagged: int = 0


@dataclass(frozen=True)
class Table:
    """A table as text. ``numeric`` is how many columns from the right hold numbers.

    Attributes:
        places: of each row its coordinates, those of ``ROW`` as far as they are known.
        behind: what stands behind numbers, by row and column.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: int
    notes: tuple[str, ...] = ()
    places: tuple[Mapping[str, str], ...] = ()
    behind: Mapping[tuple[int, int], Number] = field(default_factory=dict)

    def best(self, row: int, column: int) -> bool:
        """Tell whether a number stands out from the others of its column."""
        return (row, column) in self.behind and self.behind[row, column].best


def seconds(value: float) -> str:
    """Write seconds with three digits or so."""
    if math.isnan(value):
        return GAP
    return f"{value:.2g}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def size(value: float) -> str:
    """Write bytes in decimal units."""
    if math.isnan(value):
        return GAP
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def count(value: float) -> str:
    """Write a count with three digits or so: ``120``, ``10.1k``."""
    for unit in ("", "k", "M", "G"):
        if value < 1000:
            return f"{value:.0f}{unit}" if not unit or value >= 100 else f"{value:.1f}{unit}"
        value /= 1000
    return f"{value:.1f}T"
