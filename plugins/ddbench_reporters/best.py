"""Which number of a column is the best: only one whose lead is no accident of its seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ddbench_reporters.spread import Spread

LEGEND = (
    "bold: ahead of every other method under the same exam, the 95 % interval of each difference (Welch's t) above zero"
)
_QUANTILE = 0.975  # two-sided 95 %


def leader(rivals: Sequence[Spread]) -> int | None:
    """Return which of several summaries leads all others, or None: no rival, a single value, or too near.

    A rival without a value stands in nobody's way. Where there is no interval, with a single value or with values that
    are all alike, nobody leads.
    """
    present = [place for place, rival in enumerate(rivals) if rival.n]
    if len(present) < 2:
        return None
    first = max(present, key=lambda place: rivals[place].mean)
    return first if all(_ahead(rivals[first], rivals[place]) for place in present if place != first) else None


def _ahead(one: Spread, other: Spread) -> bool:
    """Tell whether Welch's 95 % interval of the difference of two means lies above zero."""
    if min(one.n, other.n) < 2:
        return False
    parts = (one.std**2 / one.n, other.std**2 / other.n)
    if sum(parts) == 0:
        return False
    from scipy.special import stdtrit

    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (one.n - 1) + parts[1] ** 2 / (other.n - 1))
    return one.mean - other.mean > float(stdtrit(freedom, _QUANTILE)) * math.sqrt(sum(parts))
