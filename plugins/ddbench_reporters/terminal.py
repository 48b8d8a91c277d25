"""Tables for the terminal."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ddbench_reporters.tables import tables

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as Grid

    from ddbench.types import RenderTask
    from ddbench_reporters.layout import Table

_ANY_WIDTH = 10_000  # columns: more than any table has
_COMMA = re.compile(r",(?=\S)")
_READABLE = 20  # columns in which a folded spec can be read


@dataclass(frozen=True)
class Terminal:
    """Tables for the terminal, drawn by rich."""

    version: ClassVar[int] = 1

    def render(self, task: RenderTask) -> str:
        """Return the tables, with colours where the terminal has them."""
        from rich.console import Console

        console = Console(
            file=io.StringIO(), width=task.width, force_terminal=task.color, color_system="auto" if task.color else None
        )
        for table in tables(task):
            _draw(table, console)
        text: str = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO from above
        return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _draw(table: Table, console: Console) -> None:
    for grid in _fitting(table, console):
        console.print(grid)
    for note in table.notes:
        console.print(note, style="dim", highlight=False, markup=False)
    console.print()


def _fitting(table: Table, console: Console) -> list[Grid]:
    """Return a table as it can be read at the terminal's width: in the last resort as two, half of the numbers each."""
    wide, narrow = _grid(table, between=" "), _grid(_spaced(table), between="\n")
    if _excess(wide, console) <= 0:
        return [wide]
    if _legible(table, _excess(narrow, console)):
        return [narrow]
    merged = _in_one_column(_spaced(table))
    lists = _grid(merged, between="\n")
    if table.numeric < 2 or _legible(merged, _excess(lists, console)):
        return [lists]
    return [grid for half in _halves(table) for grid in _fitting(half, console)]


def _excess(grid: Grid, console: Console) -> int:
    """Return how many columns of the terminal a grid lacks."""
    from rich.measure import Measurement

    return Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), grid).maximum - console.width


def _legible(table: Table, excess: int) -> bool:
    """Tell whether the column of the longest texts could give away so much and still be read."""
    longest = max((len(text) for row in table.rows for text in row[: -table.numeric or None]), default=0)
    return longest - excess >= min(longest, _READABLE)


def _spaced(table: Table) -> Table:
    """Return a table whose texts may break between the parameters of a spec."""
    texts = len(table.header) - table.numeric

    def spaced(row: tuple[str, ...]) -> tuple[str, ...]:
        return (*(_COMMA.sub(", ", text) for text in row[:texts]), *row[texts:])

    return replace(table, rows=tuple(map(spaced, table.rows)))


def _in_one_column(table: Table) -> Table:
    """Return a table whose texts share one column."""
    texts = len(table.header) - table.numeric

    def merged(row: tuple[str, ...]) -> tuple[str, ...]:
        return (", ".join(row[:texts]), *row[texts:])

    behind = {(row, column - texts + 1): number for (row, column), number in table.behind.items()}
    return replace(table, header=merged(table.header), rows=tuple(map(merged, table.rows)), behind=behind)


def _halves(table: Table) -> tuple[Table, Table]:
    """Return a table as two of the same texts, which share its numbers."""
    texts, count = len(table.header) - table.numeric, len(table.header)
    middle = texts + (table.numeric + 1) // 2

    def part(first: int, last: int, title: str) -> Table:
        kept = [*range(texts), *range(first, last)]
        rows = tuple(tuple(row[place] for place in kept) for row in table.rows)
        behind = {(row, kept.index(place)): number for (row, place), number in table.behind.items() if place in kept}
        header = tuple(table.header[place] for place in kept)
        return replace(table, title=title, header=header, rows=rows, numeric=last - first, behind=behind)

    return part(texts, middle, table.title), part(middle, count, "")


def _grid(table: Table, between: str) -> Grid:
    """Return a table as rich draws it, with something between the words over columns of numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(
        title=escape(table.title) or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    for place, name in enumerate(table.header):
        number = place >= len(table.header) - table.numeric
        head = name.replace(" ", between) if number else name
        grid.add_column(escape(head), justify="right" if number else "left", no_wrap=number, overflow="fold")
    for place, row in enumerate(table.rows):
        cells = (Text(words, "bold" if table.best(place, column) else "") for column, words in enumerate(row))
        grid.add_row(*cells)
    return grid
