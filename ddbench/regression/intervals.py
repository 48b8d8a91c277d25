"""How far two means lie apart, with what certainty, and how many repeats a difference needs."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Sample:
    """Mean and standard deviation (n - 1 in the divisor) of n numbers; NaN where there are too few."""

    mean: float
    std: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Sample:
        """Summarise numbers."""
        mean = statistics.fmean(values) if values else math.nan
        return cls(mean, statistics.stdev(values) if len(values) > 1 else math.nan, len(values))


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference and its 95 % confidence interval, NaN where either side has too few numbers."""

    difference: float
    low: float
    high: float


def paired(base: Sequence[float], head: Sequence[float]) -> Interval:
    """Return head less base by Student's t on the differences of pairs; a point where all pairs differ alike."""
    differences = Sample.of([after - before for before, after in zip(base, head, strict=True)])
    return _around(differences.mean, differences.std / math.sqrt(differences.n), differences.n - 1)


def welch(base: Sequence[float], head: Sequence[float]) -> Interval:
    """Return head less base by Welch's t, degrees of freedom by Satterthwaite; a point where neither side varies."""
    before, after = Sample.of(base), Sample.of(head)
    shares = [side.std**2 / side.n for side in (before, after)]
    freedom = math.nan
    if sum(shares) > 0:
        freedom = sum(shares) ** 2 / sum(
            share**2 / (side.n - 1) for share, side in zip(shares, (before, after), strict=True)
        )
    return _around(after.mean - before.mean, math.sqrt(sum(shares)), freedom)


def _around(difference: float, error: float, freedom: float) -> Interval:
    reach = error * t_quantile((1 + CONFIDENCE) / 2, freedom) if error > 0 else error
    return Interval(difference, difference - reach, difference + reach)


def t_quantile(probability: float, freedom: float) -> float:
    """Return a quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def repeats(difference: float, std: float) -> int:
    """Return how many repeats a side a two-sided 5 % test of two samples needs to see a difference four times in five.

    The least n with ``(t(0.975) + t(0.8)) * std * sqrt(2 / n) <= difference``, t of 2 n - 2 degrees of freedom.

    Args:
        difference: above 0.
        std: between repeats, the same on both sides, in the unit of the difference.
    """
    quantiles = [statistics.NormalDist().inv_cdf(probability) for probability in ((1 + CONFIDENCE) / 2, POWER)]
    n = max(2, math.floor(2 * (sum(quantiles) * std / difference) ** 2))  # t's quantiles are larger: it grows from here
    while _seen(n, std) > difference:
        n += 1
    return n


def _seen(n: int, std: float) -> float:
    """Return the least difference that n repeats a side see."""
    quantiles = [t_quantile(probability, 2 * n - 2) for probability in ((1 + CONFIDENCE) / 2, POWER)]
    return sum(quantiles) * std * math.sqrt(2 / n)
