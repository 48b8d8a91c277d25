"""How many seeds a difference needs, from the spread of top-1 seen so far."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddbench.regression.intervals import repeats
from ddbench.regression.trials import Trials, by_cell

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ddbench.regression.trials import Cell


@dataclass(frozen=True, slots=True)
class Spread:
    """How top-1 varied in cells that were run with several seeds; points in percent.

    Attributes:
        trainings: standard deviation between trainings on one distilled set, pooled; NaN where there are no two.
        freedom: its degrees of freedom.
        distillations: standard deviation between distilled sets, that of trainings taken off as far as it is known;
            NaN where nothing was distilled twice.
        unseen: cells that say nothing, for no two trials of theirs can be compared.
    """

    trainings: float
    freedom: int
    distillations: float
    unseen: tuple[Cell, ...]

    def seeds(self, points: float) -> int | None:
        """Return how many evaluation seeds a side show a difference of so many points between two distilled sets."""
        return None if math.isnan(self.trainings) else repeats(points, self.trainings)

    def synthesis_seeds(self, points: float, trainings: int) -> int | None:
        """Return how many synthesis seeds a side show it between two methods, each set with so many trainings."""
        if math.isnan(self.distillations):
            return None
        noise = 0.0 if math.isnan(self.trainings) else self.trainings / math.sqrt(trainings)
        return repeats(points, math.hypot(self.distillations, noise))


def spread(frame: pd.DataFrame, cells: Iterable[Cell]) -> Spread:
    """Return the spread of top-1 in a frame of trials, pooled over cells."""
    found = by_cell(frame)
    sets = {cell: _distilled_sets(found.get(cell, Trials())) for cell in dict.fromkeys(cells)}
    trained = [values for each in sets.values() for values in each if len(values) > 1]
    freedom = sum(len(values) - 1 for values in trained)
    trainings = math.sqrt(_scatter(trained) / freedom) if freedom else math.nan
    unseen = tuple(cell for cell, each in sets.items() if sum(map(len, each)) < 2)
    return Spread(trainings, freedom, _between([each for each in sets.values() if len(each) > 1], trainings), unseen)


def _distilled_sets(trials: Trials) -> list[list[float]]:
    """Return the accuracies of a cell by synthesis seed; none of a cell whose trials are not alike."""
    sets: dict[int, list[float]] = {}
    for (synthesis, _), value in ({} if trials.trouble else trials.numbers("top1")).items():
        sets.setdefault(synthesis, []).append(value)
    return list(sets.values())


def _scatter(groups: Iterable[list[float]]) -> float:
    """Return the sum of squared distances from the mean of each group."""
    return sum(statistics.variance(values) * (len(values) - 1) for values in groups)


def _between(cells: list[list[list[float]]], trainings: float) -> float:
    """Return the standard deviation between distilled sets: that of their means, less what trainings bring in."""
    freedom = sum(len(sets) - 1 for sets in cells)
    if not freedom:
        return math.nan
    means = _scatter([[statistics.fmean(values) for values in sets] for sets in cells]) / freedom
    share = statistics.fmean(1 / len(values) for sets in cells for values in sets)
    noise = 0.0 if math.isnan(trainings) else trainings**2 * share
    return math.sqrt(max(0.0, means - noise))
