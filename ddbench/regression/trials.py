"""The trials of one cell on one side of a comparison: which count, and why others do not."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddbench.errors import printable
from ddbench.regression.differences import differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

Cell = tuple[Any, ...]
Row = dict[str, Any]
Seeds = tuple[int, int]

CELL = ("dataset", "teacher", "synthesizer", "ipc", "labeler", "evaluator", "architecture")
MEASURES = ("top1", "top5", "top1_best", "loss")


@dataclass(frozen=True, slots=True)
class Trials:
    """What one side holds of a cell.

    Attributes:
        done: by seeds (of synthesis, of evaluation), those that ended well.
        failed: by seeds, the errors of the others.
        trouble: why nothing of it can be counted, else empty.
    """

    done: Mapping[Seeds, Row] = field(default_factory=dict)
    failed: Mapping[Seeds, str] = field(default_factory=dict)
    trouble: str = ""

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Trials:
        """Take each trial once: what has the same seeds and the same key is one trial, found twice."""
        rows = sorted(rows, key=lambda row: (row["status"] == "done", str(row["started_at"])))
        once = {(row["synthesis_seed"], row["evaluation_seed"], row["key"]): row for row in rows}
        by_seeds = {seeds[:2]: row for seeds, row in once.items()}
        return cls(
            {seeds: row for seeds, row in by_seeds.items() if row["status"] == "done"},
            {seeds: _words(row["error"]) for seeds, row in by_seeds.items() if row["status"] != "done"},
            _trouble(list(once.values())),
        )

    def __bool__(self) -> bool:
        """Tell whether there is any trial."""
        return bool(self.done or self.failed)

    @property
    def settings(self) -> dict[str, Any] | None:
        """What all were made with, or None where that is not known."""
        return next((json.loads(row["settings"]) for row in self.done.values() if row["settings"]), None)

    @property
    def sources(self) -> dict[str, str]:
        """Digests of the code that ran, by package."""
        return next((json.loads(row["sources"]) for row in self.done.values() if row["sources"]), {})

    @property
    def machines(self) -> list[str]:
        """Names of what computed: the GPU, or the processor."""
        return sorted({_machine(row) for row in self.done.values()})

    def numbers(self, column: str) -> dict[Seeds, float]:
        """Return the finite numbers of a column, by seeds."""
        return {seeds: float(row[column]) for seeds, row in self.done.items() if is_number(row[column])}

    def measured(self, seeds: Seeds) -> tuple[Any, ...]:
        """Return key and measures of a trial: what two results share that are one."""
        row = self.done[seeds]
        return (row["key"], *(row[name] for name in MEASURES if is_number(row[name])))


def by_cell(frame: pd.DataFrame) -> dict[Cell, Trials]:
    """Return the trials of a frame by cell, named by ``CELL``; what is only reported is no trial."""
    plain = frame.astype(object).where(frame.notna(), None)
    cells: dict[Cell, list[Row]] = defaultdict(list)
    for found in plain[frame["status"] != "reported"].to_dict("records"):
        row = {str(name): value for name, value in found.items()}
        cells[tuple(row[name] for name in CELL)].append(row)
    return {cell: Trials.of(rows) for cell, rows in cells.items()}


def is_number(value: Any) -> bool:
    """Tell whether a value of a frame is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def _machine(row: Row) -> str:
    device, processor = row["device"] or "unknown", row["processor"]
    return f"{device} ({processor})" if device == "cpu" and processor else str(device)


def _words(error: Any) -> str:
    """Return the beginning of an error, one line, without what would colour a terminal."""
    words = " ".join(str(error or "no error was written down").split())
    text = printable(words)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _trouble(rows: list[Row]) -> str:
    flags = Counter(row["flag"] for row in rows if row["flag"])
    if flags:
        return "; ".join(f"{count} of {len(rows)} results flagged: {flag}" for flag, count in flags.items())
    if any(seed is None for row in rows for seed in (row["synthesis_seed"], row["evaluation_seed"])):
        return "seeds unknown"
    if not all(_is_object(row[name]) for row in rows for name in ("settings", "sources")):
        return "settings that cannot be read"
    times = Counter((row["synthesis_seed"], row["evaluation_seed"]) for row in rows)
    several = sum(count > 1 for count in times.values())
    mixed = _mixed(rows)
    if several:
        return f"{several} of {len(times)} trials there under several keys" + (f": {mixed}" if mixed else "")
    return f"settings mixed: {mixed}" if mixed else ""


def _is_object(text: Any) -> bool:
    """Tell whether a text is a JSON object, or nothing."""
    try:
        return text is None or isinstance(json.loads(text), dict)
    except (TypeError, ValueError):
        return False


def _mixed(rows: list[Row]) -> str:
    """Return the first difference in what trials of one cell were made with, if there is one."""
    known = list(dict.fromkeys(row["settings"] for row in rows if row["settings"]))
    if len(known) < 2:
        return ""
    exam, method = differences(json.loads(known[0]), json.loads(known[1]))
    return next(iter((*exam, *method)), "")
