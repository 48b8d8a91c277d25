"""Numbers of a comparison as people read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ddbench.regression.intervals import Interval, Sample

GAP = "\N{EN DASH}"
_UNITS = ((1e9, "G"), (1e6, "M"), (1e4, "k"))


def number(value: float, column: str, *, signed: bool = False, digits: int = 3) -> str:
    """Write a number of a column: an accuracy with two digits after the point, others with so many digits in all."""
    if math.isnan(value):
        return GAP
    sign = "+" if signed else ""
    if "top1" in column or "top5" in column:
        return f"{value:{sign}.2f}"
    scale, unit = next(((scale, unit) for scale, unit in _UNITS if abs(value) >= scale), (1, ""))
    scaled = value / scale
    return f"{scaled:{sign}.0f}{unit}" if abs(scaled) >= 100 else f"{scaled:{sign}#.{digits}g}{unit}"


def sample(found: Sample, column: str, between: str = " ") -> str:
    """Write mean, deviation and n: ``88.08 ± 0.43 (3)``."""
    if not found.n:
        return GAP
    spread = "" if math.isnan(found.std) else f"± {number(found.std, column, digits=2)} "
    return f"{number(found.mean, column)}{between}{spread}({found.n})"


def interval(found: Interval, column: str) -> str:
    """Write where a difference lies: ``-1.20 to +0.80``."""
    if math.isnan(found.low):
        return GAP
    return f"{number(found.low, column, signed=True)} to {number(found.high, column, signed=True)}"
