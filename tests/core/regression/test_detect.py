"""How many seeds a difference needs, from what was seen."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from ddbench import frames
from ddbench.regression.detect import spread
from ddbench.regression.intervals import repeats

if TYPE_CHECKING:
    from pathlib import Path

A = ("digits", "convnet", "dwa", 1, "hard", "standard", "convnet")
B = (*A[:3], 10, *A[4:])
NAMES = ("dataset", "teacher", "synthesizer", "ipc", "labeler", "evaluator", "architecture")

Make = Callable[..., pd.DataFrame]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    """Return a function that loads accuracies: of cells, by synthesis seed, by evaluation seed."""

    def make(cells: dict[tuple[Any, ...], list[list[float]]], **columns: Any) -> pd.DataFrame:
        rows = [
            dict(zip(NAMES, cell, strict=True))
            | {"synthesis_seed": s, "evaluation_seed": e, "status": "done", "top1": value}
            | {"key": f"{cell}{s}{e}", "flag": "", "error": ""}
            | columns
            for cell, sets in cells.items()
            for s, values in enumerate(sets)
            for e, value in enumerate(values)
        ]
        path = tmp_path / "rows.json"
        path.write_text(json.dumps(rows))
        return frames.load(path)

    return make


def test_the_spread_of_trainings_is_pooled_over_cells_and_distilled_sets(made: Make) -> None:
    found = spread(made({A: [[60.0, 62.0], [70.0, 74.0]], B: [[80.0, 81.0, 82.0]]}), [A, B])

    # by hand: squares about the means of the sets are 2, 8 and 2, with 1, 1 and 2 degrees of freedom
    assert found.trainings == pytest.approx(math.sqrt(12 / 4))
    assert found.freedom == 4
    assert found.seeds(0.5) == repeats(0.5, math.sqrt(3))
    assert found.unseen == ()


def test_the_spread_of_distillations_is_told_from_that_of_trainings(made: Make) -> None:
    found = spread(made({A: [[60.0, 62.0], [70.0, 74.0]]}), [A])

    # means 61 and 72: variance 60.5; trainings: variance (2 + 8) / 2 = 5, halved in means of two
    assert found.distillations == pytest.approx(math.sqrt(60.5 - 2.5))
    assert found.synthesis_seeds(1.0, trainings=4) == repeats(1.0, math.sqrt(58 + 5 / 4))


def test_distillations_that_vary_less_than_their_trainings_explain_vary_by_nothing(made: Make) -> None:
    found = spread(made({A: [[60.0, 70.0], [61.0, 70.0]]}), [A])

    assert found.distillations == 0


def test_distillations_trained_on_once_tell_of_themselves_with_their_trainings(made: Make) -> None:
    found = spread(made({A: [[60.0], [62.0], [64.0]]}), [A])

    assert math.isnan(found.trainings)
    assert found.seeds(0.5) is None
    assert found.distillations == pytest.approx(2.0)
    assert found.synthesis_seeds(0.5, trainings=1) == repeats(0.5, 2.0)


def test_cells_that_were_never_run_twice_say_nothing(made: Make) -> None:
    found = spread(made({A: [[60.0]]}), [A, B])

    assert (found.seeds(0.5), found.synthesis_seeds(0.5, trainings=3)) == (None, None)
    assert found.unseen == (A, B)


def test_cells_outside_the_plan_and_flagged_results_are_left_out(made: Make) -> None:
    assert spread(made({A: [[60.0, 62.0]], B: [[0.0, 99.0]]}), [A]).trainings == pytest.approx(math.sqrt(2))
    assert spread(made({A: [[60.0, 62.0]]}, flag="edited"), [A]).unseen == (A,)


def test_no_results_at_all_are_no_spread() -> None:
    assert spread(frames.frame([]), [A]).unseen == (A,)
