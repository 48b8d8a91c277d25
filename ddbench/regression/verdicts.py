"""What a difference between two results means, and which differences fail a comparison."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ddbench.errors import UserError, suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ddbench.regression.intervals import Interval

Verdict = Literal["WORSE", "missing", "incomparable", "underpowered", "new", "better", "same"]
VERDICTS: tuple[Verdict, ...] = ("WORSE", "missing", "incomparable", "underpowered", "new", "better", "same")
"""What matters most comes first."""

ALIASES = {"train_seconds": "evaluate_seconds"}
_RULE = re.compile(r"(\w+)\s*:\s*([+-]?)\s*(\d+\.?\d*|\.\d+)\s*(%?)")
_MORE_IS_WORSE = re.compile(r"loss|.*_(error|seconds|bytes|images)")
_ROUNDING = 1e-9  # of means: a fall of exactly the margin is one, and means that are equal but for it are the same


@dataclass(frozen=True, slots=True)
class Rule:
    """How far a column may move the bad way: ``top1:-1.0``, ``evaluate_seconds:+20%``.

    Attributes:
        column: of the frame.
        amount: in the column's unit, or in percent of the baseline's mean.
        percent: which of the two.
        rises: whether more is worse.
    """

    column: str
    amount: float
    percent: bool
    rises: bool

    def __str__(self) -> str:
        return f"{self.column}:{'+' if self.rises else '-'}{self.amount:g}{'%' if self.percent else ''}"

    def margin(self, base: float) -> float:
        """Return the margin in the column's unit, for a baseline's mean."""
        return self.amount * abs(base) / 100 if self.percent else self.amount


def more_is_worse(column: str) -> bool:
    """Tell whether less of a column is better, as of losses and costs."""
    return _MORE_IS_WORSE.fullmatch(column) is not None


def parse(texts: Iterable[str], columns: Collection[str]) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Read what a comparison shall fail on: rules about columns, and verdicts.

    Args:
        texts: ``top1:-1.0``, ``train_seconds:+20%``, ``underpowered``; or several of them, separated by commas.
        columns: that hold numbers.

    Raises:
        UserError: neither a rule nor a verdict, an unknown column, two rules on one column, or a sign that never fails.
    """
    parts = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    words = tuple(part for part in parts if part in VERDICTS and part != "same")
    rules = tuple(_rule(part, columns) for part in parts if part not in words)
    for rule in rules:
        if sum(other.column == rule.column for other in rules) > 1:
            raise UserError(f"--fail-on has two rules on '{rule.column}'; leave one")
    return rules, words


def _rule(text: str, columns: Collection[str]) -> Rule:
    match = _RULE.fullmatch(text)
    if match is None:
        known = "a column with its margin ('top1:-1.0', 'train_seconds:+20%') or one of " + ", ".join(VERDICTS[:-1])
        raise UserError(f"--fail-on '{text}' cannot be read: give {known}")
    name, sign, amount, percent = match.groups()
    column = known_column(name, columns)
    bad = "+" if more_is_worse(column) else "-"
    if sign != bad:
        way = "more" if bad == "+" else "less"
        raise UserError(f"--fail-on '{text}': {way} is worse of {name}; write '{name}:{bad}{amount}{percent}'")
    return Rule(column, float(amount), bool(percent), sign == "+")


def known_column(name: str, columns: Collection[str]) -> str:
    """Return the column that a name stands for.

    Raises:
        UserError: it holds no numbers, or is not there.
    """
    column = ALIASES.get(name, name)
    if column not in columns:
        raise UserError(f"'{name}' is no column of numbers{suggestion(name, {*columns, *ALIASES})}")
    return column


def judge(interval: Interval, margin: float, *, rises: bool) -> Verdict:
    """Return the verdict on a difference that has an interval.

    With d the difference, counted such that more is better, and m the margin:

    ``WORSE``
        d <= -m, and the whole interval is below 0: the fall is real, and as large as the rule says;
    ``better``
        the whole interval is above 0;
    ``same``
        the whole interval is above -m: a fall of m is excluded. Without a margin: the interval contains 0;
    ``underpowered``
        else: a fall of m is neither shown nor excluded.
    """
    low, high = (-interval.high, -interval.low) if rises else (interval.low, interval.high)
    difference = -interval.difference if rises else interval.difference
    if difference <= -margin + _ROUNDING and high < -_ROUNDING:
        return "WORSE"
    if low > _ROUNDING:
        return "better"
    return "same" if low > -margin or margin == 0 else "underpowered"
