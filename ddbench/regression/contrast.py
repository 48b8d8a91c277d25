"""The numbers of one column on two sides of a cell: means, their difference, and its interval."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ddbench.regression.intervals import Interval, Sample, paired, repeats, welch
from ddbench.regression.verdicts import judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ddbench.regression.trials import Seeds, Trials
    from ddbench.regression.verdicts import Verdict

    Numbers = Mapping[Seeds, float]

Over = Literal["trainings", "distillations", "teachers"]

_ONCE = ("squeeze_", "pretrain_", "teacher_")  # all trials of a cell share one teacher and one generator
_PER_SET = ("prepare_", "synthesize_", "relabel_", "image_", "label_")  # all of a distilled set share what made it
_UNKNOWN = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Contrast:
    """What a column says of a cell.

    Attributes:
        base: the baseline's numbers, those that were compared.
        head: the same.
        over: what n counts; a distillation's number is the mean of its trainings.
        interval: of head less base; NaN where nothing was compared, its ends also where a side has one number.
        method: how the interval was reckoned; empty where nothing was compared.
        spread: standard deviation of a number that two independent sides would need for as wide an interval.
        same_results: whether both sides are the very same results.
        notes: which trials have no partner.
    """

    base: Sample
    head: Sample
    over: Over
    interval: Interval = _UNKNOWN
    method: Literal["paired", "Welch", ""] = ""
    spread: float = math.nan
    same_results: bool = False
    notes: tuple[str, ...] = ()

    def verdict(self, margin: float, *, rises: bool) -> tuple[Verdict, str]:
        """Return the verdict, and what to know beside it."""
        if math.isnan(self.interval.low):
            if self.same_results:
                return "same", "one trial, the same in every digit"
            return "underpowered", f"no spread: it takes two {self.over} a side"
        verdict = judge(self.interval, margin, rises=rises)
        return verdict, self._needed(margin) if verdict == "underpowered" else ""

    def _needed(self, margin: float) -> str:
        n = max(repeats(margin, self.spread), min(self.base.n, self.head.n) + 1)
        return f"a change by {margin:.3g} is neither shown nor excluded: it takes about {n} {self.over} a side"


def described(base: Trials, head: Trials, column: str) -> Contrast:
    """Return the numbers of both sides where they cannot be compared."""
    before, after = base.numbers(column), head.numbers(column)
    over = _over(column, (*before, *after))
    return Contrast(_sample(before, over), _sample(after, over), over)


def contrast(base: Trials, head: Trials, column: str) -> Contrast:
    """Compare: by pairs where each trial of one side has its seeds on the other side too, else by Welch.

    Of a side that has more, the trials without a partner are left out.
    """
    before, after = base.numbers(column), head.numbers(column)
    common = sorted(before.keys() & after.keys())
    if not common or len(common) < min(len(before), len(after)):
        return _independent(before, after, column)
    return _pairwise(base, head, column, common)


def _independent(before: Numbers, after: Numbers, column: str) -> Contrast:
    over = _over(column, (*before, *after))
    first, second = _of_units(before, over), _of_units(after, over)
    sides = Sample.of(first), Sample.of(second)
    spread = math.sqrt(statistics.fmean(side.std**2 for side in sides))
    return Contrast(*sides, over, welch(first, second), "Welch", spread)


def _pairwise(base: Trials, head: Trials, column: str, common: Iterable[Seeds]) -> Contrast:
    before, after = ({seeds: side.numbers(column)[seeds] for seeds in common} for side in (base, head))
    over = _over(column, before)
    first, second = _of_units(before, over), _of_units(after, over)
    apart = Sample.of([late - early for early, late in zip(first, second, strict=True)])
    return Contrast(
        Sample.of(first),
        Sample.of(second),
        over,
        paired(first, second),
        "paired",
        apart.std / math.sqrt(2),
        all(base.measured(seeds) == head.measured(seeds) and before[seeds] == after[seeds] for seeds in before),
        tuple(_left_out(base, head, len(before))),
    )


def _left_out(base: Trials, head: Trials, used: int) -> Iterable[str]:
    for name, side in (("BASELINE", base), ("HEAD", head)):
        if len(side.done) > used:
            yield f"{used} of {len(side.done)} trials of {name} have their seeds on both sides"


def _sample(numbers: Numbers, over: Over) -> Sample:
    return Sample.of(_of_units(numbers, over))


def _of_units(numbers: Numbers, over: Over) -> list[float]:
    """Return a number for each training, distillation or teacher, in the order of seeds."""
    units: dict[object, list[float]] = {}
    for seeds in sorted(numbers, key=str):  # by text, for a seed may be unknown; all that matters is one order
        units.setdefault({"trainings": seeds, "distillations": seeds[0], "teachers": 0}[over], []).append(
            numbers[seeds]
        )
    return [statistics.fmean(values) for values in units.values()]


def _over(column: str, trials: Iterable[Seeds]) -> Over:
    """Return what is a repeat: trainings on one distilled set say nothing of how another would have turned out."""
    if column.startswith(_ONCE):
        return "teachers"
    several = len({synthesis for synthesis, _ in trials}) > 1
    return "distillations" if several or column.startswith(_PER_SET) else "trainings"
