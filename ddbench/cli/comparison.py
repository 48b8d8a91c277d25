"""A comparison as text: for the terminal, a pull request, a spreadsheet, a program, a CI server."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ddbench.regression.trials import CELL

if TYPE_CHECKING:
    from ddbench.regression.compare import Compared, Comparison

_PARTS = ("synthesizer", "ipc", "labeler", "evaluator", "teacher", "dataset", "architecture")
_ALWAYS = ("synthesizer", "ipc", "architecture")  # name a cell, also where all cells share them
_ENDS = {
    0: "no regression",
    1: "fails",
    3: "fails: something is missing",
    4: "fails: nothing comparable",
    5: "fails: not all of it is comparable",
}
_NO_RULE = "passes, for no rule is on what became worse"


@dataclass(frozen=True)
class Shown:
    """A comparison, the names of its sides, and which of its rows to show."""

    comparison: Comparison
    baseline: str
    head: str
    only_changed: bool = False

    @cached_property
    def rows(self) -> tuple[Compared, ...]:
        """The rows to show."""
        every = self.comparison.rows
        return tuple(row for row in every if row.verdict != "same") if self.only_changed else every

    @property
    def summary(self) -> str:
        """How it ended, in one line."""
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.comparison.counts.items())
        code = self.comparison.code
        end = _NO_RULE if not code and "WORSE" in self.comparison.counts else _ENDS[code]
        return f"{end}: {counts or 'nothing compared'}" + (f" (exit code {code})" if code else "")

    @property
    def title(self) -> str:
        """What all cells share."""
        return ", ".join(f"{name} {self.comparison.rows[0].cell[CELL.index(name)]}" for name in self._shared)

    @cached_property
    def _shared(self) -> tuple[str, ...]:
        values = {name: {row.cell[CELL.index(name)] for row in self.comparison.rows} for name in CELL}
        return tuple(name for name in CELL if len(values[name]) == 1 and name not in _ALWAYS)

    def name(self, row: Compared) -> str:
        """Return what tells a row from the others: ``dwa, ipc 10, resnet50``."""
        parts = {name: row.cell[CELL.index(name)] for name in _PARTS if name not in self._shared}
        written = [f"{name} {value}" if name == "ipc" else str(value) for name, value in parts.items()]
        return ", ".join([*written, *([row.column] if self.several else [])])

    @cached_property
    def several(self) -> bool:
        """Whether more than one column was compared."""
        return len({row.column for row in self.comparison.rows}) > 1

    def render(self, form: str, width: int = 100, *, color: bool = False) -> str:
        """Return the text in one of the forms of ``ddbench compare --format``."""
        from ddbench.cli.junit import junit
        from ddbench.cli.verdict_table import markdown, terminal

        if form == "rich":
            return terminal(self, width, color=color)
        return {"markdown": markdown, "junit": junit, "csv": _csv, "json": _json}[form](self)


def record(row: Compared) -> dict[str, Any]:
    """Return a row as a flat mapping; None where there is no number."""
    numbers = row.contrast
    found = {
        **dict(zip(CELL, row.cell, strict=True)),
        "metric": row.column,
        "verdict": row.verdict,
        "fails": row.fails,
        **{
            f"{side}_{name}": getattr(sample, name)
            for side, sample in (("base", numbers.base), ("head", numbers.head))
            for name in ("mean", "std", "n")
        },
        "difference": numbers.interval.difference,
        "low": numbers.interval.low,
        "high": numbers.interval.high,
        "method": numbers.method,
        "n_counts": numbers.over,
        "notes": list(row.notes),
    }
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in found.items()}


def _json(shown: Shown) -> str:
    document = {
        "baseline": shown.baseline,
        "head": shown.head,
        "exit_code": shown.comparison.code,
        "summary": shown.summary,
        "counts": shown.comparison.counts,
        "rows": [record(row) for row in shown.rows],
    }
    return json.dumps(document, indent=1) + "\n"


def _csv(shown: Shown) -> str:
    text = io.StringIO()
    records = [record(row) for row in shown.rows]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows([[_flat(each[name]) for name in _HEADER] for each in records])
    return text.getvalue()


_HEADER = (
    *CELL, "metric", "verdict", "fails", "base_mean", "base_std", "base_n", "head_mean", "head_std", "head_n",
    "difference", "low", "high", "method", "n_counts", "notes",
)  # fmt: skip


def _flat(value: Any) -> Any:
    return "; ".join(value) if isinstance(value, list) else value
