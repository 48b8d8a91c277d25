"""Tables for a paper."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ddbench_reporters.layout import GAP, Table
from ddbench_reporters.tables import tables

if TYPE_CHECKING:
    from ddbench.types import RenderTask

_PREAMBLE = r"% In the preamble: \usepackage{booktabs,graphicx}"
_FIT = r"\resizebox{\ifdim\width>\linewidth \linewidth\else \width\fi}{!}{%"  # a wide table is made smaller
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    GAP: "--",
    "\N{EM DASH}": "---",
    ">": "$>$",
    "<": "$<$",
    "|": "$|$",
    '"': "''",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "[": "{[}",  # after a row's end it would be read as the space to leave
    "*": "{*}",  # likewise, as a ban on breaking the page
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_LAST_KNOWN = "\N{LATIN SMALL LETTER Z WITH CARON}"  # of the letters that LaTeX has by itself


@dataclass(frozen=True)
class Latex:
    """Tables for a paper, in LaTeX with the package booktabs."""

    version: ClassVar[int] = 1

    def render(self, task: RenderTask) -> str:
        """Return a table environment for each table."""
        return "\n".join([f"{_PREAMBLE}\n", *(_write(table) for table in tables(task))])


def _write(table: Table) -> str:
    names = len(table.header) - table.numeric
    lines = [
        r"\begin{table}",
        r"\centering",
        r"\small",
        rf"\caption{{{escape(table.title)}}}",
        r"\smallskip",
        _FIT,
        rf"\begin{{tabular}}{{@{{}}{'l' * names}{'r' * table.numeric}@{{}}}}",
        r"\toprule",
        " & ".join(map(escape, table.header)) + r" \\",
        r"\midrule",
        *(_row(table, place) for place in range(len(table.rows))),
        r"\bottomrule",
        r"\end{tabular}}",
        "",
        r"\smallskip",
        r"\begin{minipage}{\linewidth}\footnotesize",
        *_notes(table),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(table: Table, place: int) -> str:
    escaped = [re.sub(r"^-(?=\d)", "$-$", escape(words)) for words in table.rows[place]]
    cells = [rf"\textbf{{{words}}}" if table.best(place, column) else words for column, words in enumerate(escaped)]
    return " & ".join(cells) + r" \\"


def _notes(table: Table) -> list[str]:
    return [escape(f"{note[:1].upper()}{note[1:]}.") for note in table.notes]


def escape(text: str) -> str:
    """Return text with LaTeX's special characters made harmless, and characters that it lacks spelt by their number."""
    return "".join(_SPECIAL.get(character) or _plain(character) for character in text)


def _plain(character: str) -> str:
    if unicodedata.category(character) == "Cc":
        return " "
    known = character.isascii() or (character <= _LAST_KNOWN and character.isalpha())
    return character if known else rf"\texttt{{U+{ord(character):04X}}}"
