"""Ticks of logarithmic axes: a few round numbers, however narrow the range, in the units of the tables."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axis import Axis

_ENOUGH = 3
_MOST = 6
_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9))


def logarithmic(axis: Axis, values: Sequence[float], write: Callable[[float], str]) -> None:
    """Make an axis logarithmic and name its ticks; values must be above zero.

    Call it last: where the values begin and end decides which ticks there are.
    """
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})  # type: ignore[attr-defined]  # x or y, says matplotlib
    ticks = round_numbers(min(values), max(values))
    axis.set_ticks(ticks, labels=[_short(write(tick)) for tick in ticks])
    axis.set_ticks([], minor=True)


def _short(text: str) -> str:
    """Write a round number as one, ``10 kB`` for ``10.0 kB``: neighbours would run into each other."""
    return re.sub(r"\.0\b", "", text)


def round_numbers(low: float, high: float) -> list[float]:
    """Return round numbers in a range, three at least where it holds a factor of two, else its ends."""
    for steps in _STEPS:
        found = _multiples(low, high, steps)
        if len(found) >= _ENOUGH:
            return found[:: math.ceil(len(found) / _MOST)]
    return sorted({low, high})


def _multiples(low: float, high: float, steps: Sequence[float]) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    numbers = [step * 10.0**decade for decade in decades for step in steps]
    return [number for number in numbers if low * 0.999 <= number <= high * 1.001]
