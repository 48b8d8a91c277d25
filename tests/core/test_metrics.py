"""Metrics over frames: columns by spec, one value a trial, whatever else is in the frame."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from ddbench import exports, frames
from ddbench.errors import UserError
from ddbench.metrics import scored, values
from ddbench.reported import read
from ddbench.rows import COLUMNS
from ddbench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOURCE = '''
"""Metrics of the tests."""

from dataclasses import dataclass
from typing import ClassVar

from ddbench import hookimpl


@hookimpl
def ddbench_metrics():
    return {"shift": Shift, "broken": Broken, "short": Short}


@dataclass(frozen=True)
class Shift:
    """Accuracy and something."""

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "points"
    higher_is_better: ClassVar[bool] = False

    by: float = 1.0

    def needs(self, cell):
        return []

    def score(self, frame):
        values = frame["top1"] + self.by
        frame["top1"] = 0.0
        return values

    def notes(self, frame):
        return [f"{len(frame)} trials"]


@dataclass(frozen=True)
class Broken(Shift):
    """Raises."""

    def score(self, frame):
        raise RuntimeError("no scores")


@dataclass(frozen=True)
class Short(Shift):
    """Forgets a trial."""

    def score(self, frame):
        return frame["top1"].iloc[1:]
'''


@pytest.fixture
def results(documents: Callable[..., list[dict[str, Any]]], install: Callable[..., Path]) -> pd.DataFrame:
    """Return a frame of two trials, with metrics of a plugin's own installed."""
    install("scores", "ddbench_scores_of_tests", SOURCE)
    return frames.frame(documents(seeds="0-1"))


def test_each_metric_is_a_column_named_after_its_spec_and_all_else_stays(results: pd.DataFrame) -> None:
    frame, columns = scored(results, Spec.parse_list("shift,shift[by=3]"))
    assert list(frame.columns) == [*COLUMNS, "metric:shift", "metric:shift[by=3.0]"]
    assert list(frame["metric:shift[by=3.0]"]) == [top1 + 3 for top1 in results["top1"]]
    pd.testing.assert_frame_equal(frame[list(COLUMNS)], results)
    first = columns[0]
    assert (first.column, first.name, first.unit, first.higher_is_better) == ("metric:shift", "shift", "points", False)
    assert (first.summary, first.notes) == ("Accuracy and something.", ("2 trials",))


def test_the_accuracy_that_was_selected_is_scored(results: pd.DataFrame) -> None:
    results = results.assign(top1_best=[90.0, 91.0])
    frame, _ = scored(results, [Spec("shift")], "best")
    assert list(frame["metric:shift"]) == [91.0, 92.0]
    assert list(frame["top1"]) == list(results["top1"])
    assert scored(results, [Spec("shift")], "val")[0]["metric:shift"].isna().all()


def test_of_a_trial_that_is_there_twice_the_newest_is_scored(results: pd.DataFrame) -> None:
    old = results.assign(started_at="2020-01-01T00:00:00+00:00", top1=1.0)
    frame, columns = scored(pd.concat([old, results]), [Spec("shift")])
    assert list(frame["metric:shift"].isna()) == [True, True, False, False]
    assert columns[0].notes == ("2 trials",)


def test_a_flagged_trial_has_no_value_and_is_no_reference(results: pd.DataFrame) -> None:
    edited = results.assign(flag=["edited", ""])
    frame, _ = scored(edited, [Spec("shift")])
    assert list(frame["metric:shift"].isna()) == [True, False]
    assert list(frame["top1"]) == list(results["top1"])
    lots = results.assign(synthesizer="random")
    for flag, known in (("", True), ("key differs", False)):
        frame, _ = scored(pd.concat([results, lots.assign(flag=flag)]), [Spec("ior")])
        assert list(frame["metric:ior"].notna())[:2] == [known] * 2


def test_what_a_paper_reported_has_no_value(results: pd.DataFrame) -> None:
    paper = read([{"synth": "dwa", "ipc": 10, "eval": "resnet18", "top1": 60.0, "source": "a table"}])
    frame, columns = scored(frames.beside(results, paper), [Spec("shift")])
    assert list(frame["metric:shift"].isna()) == [False, False, True]
    assert columns[0].notes == ("2 trials",)


@pytest.mark.parametrize(
    ("name", "told"),
    [("broken", "broken failed: RuntimeError: no scores"), ("short", "short failed: TypeError: expected a Series")],
)
def test_a_metric_that_fails_leaves_its_column_empty_and_says_so(results: pd.DataFrame, name: str, told: str) -> None:
    frame, columns = scored(results, [Spec(name), Spec("shift")])
    assert frame[f"metric:{name}"].isna().all()
    assert columns[0].notes[0].startswith(told)
    assert frame["metric:shift"].notna().all()


def test_an_unknown_metric_is_refused(results: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="unknown metric 'shirt'"):
        scored(results, [Spec("shirt")])


def test_an_empty_frame_has_empty_columns(results: pd.DataFrame) -> None:
    frame, _ = scored(results.iloc[:0], Spec.parse_list("shift,lrs,ars,gap,equal-bytes"))
    assert len(frame) == 0
    assert frame["metric:lrs"].dtype == "float64"


def test_values_are_told_as_json_can_hold_them(results: pd.DataFrame) -> None:
    frame, columns = scored(results, Spec.parse_list("shift,lrs"))
    told = values(frame, columns)
    assert json.loads(json.dumps(told)) == [{"metric:shift": top1 + 1, "metric:lrs": None} for top1 in results["top1"]]


def test_metrics_of_an_export_are_those_of_the_results(results: pd.DataFrame, tmp_path: Path) -> None:
    frame, _ = scored(results, [Spec("shift")])
    for suffix in exports.SUFFIXES:
        exports.write(frame, tmp_path / f"all{suffix}")
        again, _ = scored(frames.load(tmp_path / f"all{suffix}"), [Spec("shift")])
        assert list(again["metric:shift"]) == list(frame["metric:shift"])
        assert not any(math.isnan(value) for value in again["metric:shift"])
