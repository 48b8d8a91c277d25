"""Means and deviations of trials: over distillations where there are several, else over trainings."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddbench_reporters.layout import GAP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Row = Mapping[str, Any]


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n - 1 in the divisor) of n values; the deviation is NaN for one value."""

    mean: float
    std: float
    n: int

    def __str__(self) -> str:
        return self.written(1)

    def written(self, digits: int) -> str:
        """Write it with so many digits after the point."""
        if self.n == 0:
            return GAP
        spread = f" ± {self.std:.{digits}f}" if self.n > 1 else ""
        return f"{self.mean:.{digits}f}{spread} ({self.n})"


def spread(rows: Iterable[Row], column: str = "top1") -> Spread:
    """Summarise trials of one cell that ended well: over distillations where there are several, else over trainings."""
    by_seed: dict[int, list[float]] = {}
    for row in rows:
        if row["status"] == "done" and known(row[column]):
            by_seed.setdefault(row["synthesis_seed"], []).append(float(row[column]))
    if len(by_seed) > 1:
        return of_values([statistics.fmean(values) for values in by_seed.values()])
    return of_values([value for values in by_seed.values() for value in values])


def of_values(values: Sequence[float]) -> Spread:
    """Summarise numbers without gaps."""
    mean = statistics.fmean(values) if values else math.nan
    return Spread(mean, statistics.stdev(values) if len(values) > 1 else math.nan, len(values))


def known(value: Any) -> bool:
    """Tell whether a value of a frame is there."""
    return value is not None and value == value  # noqa: PLR0124 - NaN alone differs from itself


def failures(rows: Iterable[Row]) -> int:
    """Count the trials that failed."""
    return sum(row["status"] == "failed" for row in rows)


def flags(rows: Iterable[Row]) -> int:
    """Count the trials that are flagged."""
    return sum(known(row["flag"]) and row["flag"] != "" for row in rows)


def with_failures(summary: Spread, rows: Sequence[Row]) -> str:
    """Write a summary of the trials that ended well, how many did not, and how many are flagged."""
    failed, flagged = failures(rows), flags(rows)
    told = [*([f"{failed} failed"] if failed else []), *([f"{flagged} flagged"] if flagged else [])]
    return ", ".join([*([] if failed == len(rows) else [str(summary)]), *told])
