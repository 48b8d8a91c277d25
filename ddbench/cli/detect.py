"""What ``ddbench plan --detect`` tells."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from ddbench.cli.gathered import gathered
from ddbench.regression.trials import CELL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ddbench.plan import Plan

_NAMED = 5  # cells; of more, how many


def detect(planned: Plan, out: Path, points: float) -> dict[str, Any]:
    """Return how many seeds a plan's cells need for a difference of so many points, from the results under a folder."""
    from ddbench.frames import frame
    from ddbench.regression.detect import spread
    from ddbench.results import trial_columns

    trials = [trial_columns(each.trial) for each in planned.trials]
    cells = Counter(tuple(trial[name] for name in (*CELL, "synthesis_seed")) for trial in trials)
    found = spread(gathered(out).frame if out.is_dir() else frame([]), [cell[:-1] for cell in cells])
    trainings = min(cells.values())
    return {
        "points": points,
        "cells": len({cell[:-1] for cell in cells}),
        "unseen": [", ".join(map(str, cell)) for cell in found.unseen],
        "std_of_trainings": None if math.isnan(found.trainings) else found.trainings,
        "degrees_of_freedom": found.freedom,
        "seeds": found.seeds(points),
        "std_of_distillations": None if math.isnan(found.distillations) else found.distillations,
        "trainings_per_distillation": trainings,
        "synthesis_seeds": found.synthesis_seeds(points, trainings),
    }


def lines(told: dict[str, Any]) -> Iterator[str]:
    """Yield the same for people."""
    yield f"to show a difference of {told['points']:g} points in top-1, not paired (5 %, power 80 %), a side needs"
    if told["seeds"] is None:
        yield "  evaluation seeds: unknown, no cell of the plan was trained on twice so far"
    else:
        yield (
            f"  {told['seeds']} evaluation seeds, for one distilled set against another: trainings vary by "
            f"{told['std_of_trainings']:.2f} points ({told['degrees_of_freedom']} degrees of freedom)"
        )
    if told["synthesis_seeds"] is None:
        yield "  synthesis seeds: unknown, no cell of the plan was distilled twice so far"
    else:
        yield (
            f"  {told['synthesis_seeds']} synthesis seeds with {_trainings(told['trainings_per_distillation'])} each, "
            f"for one method against another: distillations vary by {told['std_of_distillations']:.2f} points"
        )
    unseen = told["unseen"]
    if unseen and (told["seeds"] or told["synthesis_seeds"]):
        more = f"; and {len(unseen) - _NAMED} more" if len(unseen) > _NAMED else ""
        yield f"  taken to vary like the others, never seen twice: {'; '.join(unseen[:_NAMED])}{more}"


def _trainings(count: int) -> str:
    return "one training" if count == 1 else f"{count} trainings"
