"""Whether images serve the architecture that they were distilled with, or all."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from ddbench.spec import Spec
from ddbench_metrics import trials
from ddbench_metrics.trials import identity

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ddbench.types import Cell
    from ddbench_metrics.trials import Row

_CELL = ("dataset", "data", "precision", "teacher", "synthesizer", "ipc", "labeler", "evaluator")
_SEEDS = ("synthesis_seed", "evaluation_seed")
_WEIGHTS = "pretrained"  # of an architecture: how its weights come, not what it is


@dataclass(frozen=True)
class Gap:
    """Accuracy with the teacher's own architecture less the mean of the other architectures.

    Source: cross-architecture generalisation, as Zhao and Bilen, "Dataset Condensation with Distribution Matching"
    (WACV 2023), table it; the difference is made up here. Points of percent, less is better, told in the row of the
    teacher's architecture, which is evaluated too. There is no value where one of the other architectures failed or is
    missing at a seed: a mean is never shortened silently.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "points"
    higher_is_better: ClassVar[bool] = False

    def needs(self, cell: Cell) -> Iterable[Cell]:
        """Return the cell of the teacher's own architecture."""
        taught = cell.teacher.mapping().get("architecture")
        return [replace(cell, architecture=_fresh(Spec.parse(str(taught))))] if taught else []

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return the gap on rows of the teacher's architecture, NaN on the others."""
        found = _Students(trials.rows(frame))
        return trials.each(frame, lambda row: found.gap(row) if _is_own(row) else math.nan)

    def notes(self, frame: pd.DataFrame) -> Iterable[str]:
        """Say which architectures a gap is over, and how many they are."""
        rows = trials.rows(frame)
        found = _Students(rows)
        told = (found.others(row) for row in rows if _is_own(row))
        for names in dict.fromkeys(filter(None, told)):
            many = f"the mean of {len(names)} others" if len(names) > 1 else "one other"
            yield f"gap: the teacher's architecture less {many} ({', '.join(names)})"


class _Students:
    """Accuracies by cell and seeds, and by architecture."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._accuracies: dict[tuple[Any, ...], dict[str, float]] = {}
        self._met: dict[tuple[Any, ...], dict[str, None]] = {}
        for row in rows:
            self._accuracies.setdefault(_name(row, *_CELL, *_SEEDS), {})[row["architecture"]] = float(row["top1"])
            self._met.setdefault(_name(row, *_CELL), {})[row["architecture"]] = None

    def others(self, row: Row) -> tuple[str, ...]:
        """Return the other architectures of a cell, whatever their seeds."""
        return tuple(name for name in self._met[_name(row, *_CELL)] if name != row["architecture"])

    def gap(self, row: Row) -> float:
        accuracies, others = self._accuracies[_name(row, *_CELL, *_SEEDS)], self.others(row)
        if not others:
            return math.nan
        return float(row["top1"]) - sum(accuracies.get(name, math.nan) for name in others) / len(others)


def _name(row: Row, *columns: str) -> tuple[Any, ...]:
    return tuple(row[column] for column in columns)


def _fresh(architecture: Spec) -> Spec:
    return Spec.of(architecture.name, {name: value for name, value in architecture.params if name != _WEIGHTS})


def _is_own(row: Row) -> bool:
    """Tell whether a trial's student has the architecture of its teacher, setting by setting."""
    student, taught = identity(row, "architecture"), identity(row, "teacher").get("architecture") or {}
    return bool(student) and _untrained(student) == _untrained(taught)


def _untrained(known: Row) -> dict[str, Any]:
    return {name: value for name, value in known.items() if name != _WEIGHTS}
