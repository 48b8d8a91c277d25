"""Tables for the terminal."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ddbench_reporters.tables import tables

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as Grid

    from ddbench.types import RenderTask
    from ddbench_reporters.layout import Table

_ANY_WIDTH = 10_000  # columns: more than any table has


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
    from rich.measure import Measurement

    wide = _grid(table, between=" ")
    fits = Measurement.get(console, console.options.update(max_width=_ANY_WIDTH), wide).maximum <= console.width
    console.print(wide if fits else _grid(table, between="\n"))
    for note in table.notes:
        console.print(note, style="dim", highlight=False, markup=False)
    console.print()


def _grid(table: Table, between: str) -> Grid:
    """Return a table as rich draws it, with something between the words over columns of numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(title=escape(table.title), title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(table.header):
        number = place >= len(table.header) - table.numeric
        head = name.replace(" ", between) if number else name
        grid.add_column(escape(head), justify="right" if number else "left", no_wrap=number, overflow="fold")
    for place, row in enumerate(table.rows):
        cells = (Text(words, "bold" if table.best(place, column) else "") for column, words in enumerate(row))
        grid.add_row(*cells)
    return grid
