"""The table of a comparison, for the terminal and for a pull request."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from ddbench.cli.numbers import interval, number, sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from ddbench.cli.comparison import Shown
    from ddbench.regression.compare import Compared

_STYLES = {
    "WORSE": "bold red", "missing": "bold red", "incomparable": "magenta", "underpowered": "yellow", "new": "cyan",
    "better": "green", "same": "dim",
}  # fmt: skip
_COUNTS = {
    "trainings": "trainings on one distilled set",
    "distillations": "distillations, each the mean of its trainings",
    "teachers": "teachers",
}
_METHODS = {"paired": "paired by seed", "Welch": "by Welch's test"}
_NAMED = 3  # cells beside a note; of more, how many
_NAME = 20  # characters a line that the name of a cell needs at least
_ANY_WIDTH = 10_000


def terminal(shown: Shown, width: int, *, color: bool) -> str:
    """Return the table as rich draws it, its notes, and the summary."""
    from rich.console import Console

    system = "auto" if color else None
    console = Console(file=io.StringIO(), width=width, force_terminal=color, color_system=system)  # type: ignore[arg-type]  # auto is a system
    console.print(f"HEAD {shown.head} against BASELINE {shown.baseline}", markup=False, highlight=False)
    if shown.title:
        console.print(shown.title, style="bold", markup=False, highlight=False)
    if shown.rows:
        console.print(_fitting(shown, console.width))
    for note in filter(None, (_legend(shown), *_notes(shown))):
        console.print(note, style="dim", markup=False, highlight=False)
    console.print(shown.summary, style="bold", markup=False, highlight=False)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO from above
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _fitting(shown: Shown, width: int) -> Table:
    """Return the first form that fits: one line a row, two lines, or a list."""
    wide, narrow = _grid(shown, narrow=False), _grid(shown, narrow=True)
    if _width(wide) <= width:
        return wide
    narrow.columns[0].max_width = _NAME
    fits = _width(narrow) <= width
    narrow.columns[0].max_width = None
    return narrow if fits else _listed(shown)


def _width(grid: Table) -> int:
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(width=_ANY_WIDTH)
    return Measurement.get(console, console.options, grid).maximum


def _listed(shown: Shown) -> Table:
    from rich.markup import escape
    from rich.table import Table

    grid = Table.grid(padding=(0, 1))
    for row in shown.rows:
        base, head, difference, interval_ = _numbers(row)
        told = f"{escape(_breakable(shown.name(row)))}\n{base} -> {head}\n{difference}, 95 %: {interval_}\n"
        grid.add_row(_styled(row), told)
    return grid


def _styled(row: Compared) -> str:
    return f"[{_STYLES[row.verdict]}]{row.verdict}[/]"


def _grid(shown: Shown, *, narrow: bool) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    grid.add_column("cell", overflow="fold", min_width=_NAME)
    differences = ("difference\n95 % interval",) if narrow else ("difference", "95 % interval")
    for head in ("base", "head", *differences):
        grid.add_column(head, justify="right", no_wrap=True)
    grid.add_column("verdict", no_wrap=True)
    for row in shown.rows:
        name = escape(_breakable(shown.name(row)) if narrow else shown.name(row))
        grid.add_row(name, *_numbers(row, narrow=narrow), _styled(row))
    return grid


def _breakable(name: str) -> str:
    """Let lines end between the parameters of a component, where long specs have no other place."""
    return re.sub(r",(?=\S)", ", ", name)


def _numbers(row: Compared, *, narrow: bool = False) -> tuple[str, ...]:
    found, column = row.contrast, row.column
    sides = tuple(sample(side, column, "\n" if narrow else " ") for side in (found.base, found.head))
    difference = (number(found.interval.difference, column, signed=True), interval(found.interval, column))
    return (*sides, "\n".join(difference)) if narrow else (*sides, *difference)


def _legend(shown: Shown) -> str:
    """Say what the numbers are."""
    compared = [row.contrast for row in shown.rows if row.contrast.method]
    if not compared:
        return ""
    over = " or ".join(dict.fromkeys(_COUNTS[found.over] for found in compared))
    methods = " or ".join(dict.fromkeys(_METHODS[found.method] for found in compared))
    return f"mean ± standard deviation (n) over n {over}; difference: HEAD less BASELINE, {methods}"


def _notes(shown: Shown) -> Iterator[str]:
    """Yield what is to know of cells, equal notes once."""
    told: dict[str, list[str]] = {}
    for row in shown.rows:
        for note in row.notes:
            told.setdefault(note, []).append(shown.name(row))
    yield from (f"{_some(names, len(shown.rows))}: {note}" for note, names in told.items())


def _some(names: list[str], of: int) -> str:
    if len(names) == of > 1:
        return "all"
    return "; ".join(names) if len(names) <= _NAMED else f"{'; '.join(names[:_NAMED])} and {len(names) - _NAMED} more"


def markdown(shown: Shown) -> str:
    """Return the table in GitHub's Markdown, the summary first."""
    title = f"HEAD `{shown.head}` against BASELINE `{shown.baseline}`"
    shared = f": {_escaped(shown.title)}" if shown.title else ""
    table = "\n".join(map(_line, _cells(shown))) if shown.rows else ""
    return "\n\n".join(filter(None, (f"**{shown.summary}**", title + shared, table, _legend(shown)))) + "\n"


def _cells(shown: Shown) -> Iterator[tuple[str, ...]]:
    yield ("verdict", "cell", "base", "head", "difference", "95 % interval", "note")
    yield ("---", "---", "---:", "---:", "---:", "---:", "---")
    for row in shown.rows:
        verdict = f"**{row.verdict}**" if row.fails else row.verdict
        yield (verdict, _escaped(shown.name(row)), *_numbers(row), _escaped("; ".join(row.notes)))


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Return a text that stays what it is inside a table of Markdown."""
    for character, written in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("`", "\\`"), ("*", "\\*")):
        text = text.replace(character, written)
    return " ".join(text.split())
