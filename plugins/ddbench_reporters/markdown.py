"""Tables for a README or a pull request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ddbench_reporters.tables import tables

if TYPE_CHECKING:
    from ddbench.types import RenderTask
    from ddbench_reporters.layout import Table


@dataclass(frozen=True)
class Markdown:
    """Tables for a README or a pull request, in GitHub's Markdown."""

    version: ClassVar[int] = 1

    def render(self, task: RenderTask) -> str:
        """Return the tables."""
        return "\n\n".join(_write(table) for table in tables(task)) + "\n"


def _write(table: Table) -> str:
    names = len(table.header) - table.numeric
    rule = ("---",) * names + ("---:",) * table.numeric
    body = (_emphasised(table, place) for place in range(len(table.rows)))
    lines = [f"| {' | '.join(row)} |" for row in (map(_escaped, table.header), rule, *body)]
    notes = (f"{_escaped(note)}  " for note in table.notes)
    return "\n".join([f"**{_escaped(table.title)}**", "", *lines, "", *notes]).rstrip()


def _emphasised(table: Table, place: int) -> tuple[str, ...]:
    return tuple(
        f"**{words}**" if table.best(place, column) else words
        for column, words in enumerate(map(_escaped, table.rows[place]))
    )


def _escaped(text: str) -> str:
    """Return a text that stays what it is, neither markup nor the end of a cell."""
    for character, written in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("`", "\\`"), ("*", "\\*")):
        text = text.replace(character, written)
    return " ".join(text.split())
