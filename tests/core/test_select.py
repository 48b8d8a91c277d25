"""``--select val``: a tenth of the training images is kept from everyone, and selects the epoch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ddbench import benchmark as grids
from ddbench import frames, results
from ddbench.errors import UserError
from ddbench.holdout import parts
from ddbench.rows import row
from ddbench.testing.toys import ToyDataset
from ddbench.types import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ddbench.plan import Plan
    from ddbench.types import Outcome, Stage

    Planned = Callable[..., Plan]
    CarryOut = Callable[..., list[Outcome]]

EXAM = {"evaluator": "standard[epochs=4,test_every=1,padding=0,mixup=0.0,batch_size=4]", "labels": "hard"}
SPIES = '''
from dataclasses import dataclass
from typing import ClassVar

import torch

from ddbench import hookimpl
from ddbench.testing.toys import ToyExam, ToySynth, ToyTeacher

SEEN = []


@hookimpl
def ddbench_teachers():
    return {"spying-teacher": SpyingTeacher}


@hookimpl
def ddbench_synthesizers():
    return {"spy": Spy}


@hookimpl
def ddbench_evaluators():
    return {"blind": Blind, "forgetful": Forgetful}


@dataclass(frozen=True)
class SpyingTeacher(ToyTeacher):
    """Keeps what it is shown."""

    def squeeze(self, task):
        SEEN.append(("squeeze", task.data, task.train.images(slice(None)), task.train.labels))
        return super().squeeze(task)


@dataclass(frozen=True)
class Spy(ToySynth):
    """Keeps what it is shown, before and while it makes images."""

    def prepare(self, task):
        SEEN.append(("prepare", task.data, task.train.images(slice(None)), task.train.labels))
        return {"nothing": torch.zeros(1)}

    def synthesize(self, task):
        SEEN.append(("synthesize", task.data, task.train.images(torch.arange(54)), task.train.labels))
        return super().synthesize(task)


@dataclass(frozen=True)
class Blind(ToyExam):
    """Looks at no validation images."""


@dataclass(frozen=True)
class Forgetful(ToyExam):
    """Says that it validates, and does not."""

    validates: ClassVar[bool] = True
'''


@pytest.fixture
def spies(planned: Planned, install: Callable[..., Path]) -> Iterator[Planned]:
    """Return a function that plans, with components that keep what they are shown."""
    import sys

    install("spies", "ddbench_spies", SPIES)
    yield planned
    sys.modules.pop("ddbench_spies", None)


def stages(plan: Plan, kind: str) -> list[Stage]:
    return [stage for stage in plan.stages.values() if stage.kind == kind]


def test_no_method_sees_a_held_out_image(spies: Planned, carry_out: CarryOut, tmp_path: Path) -> None:
    plan = spies(synth="spy", teacher="spying-teacher", ipc=1, select="val", **EXAM)
    assert {outcome.status for outcome in carry_out(plan.stages.values())} == {"done"}
    import ddbench_spies  # type: ignore[import-not-found]  # the fixture wrote it

    whole = ToyDataset().open("train", Place(tmp_path, tmp_path))
    left, held = parts(whole.labels, 10)
    assert [who for who, *_ in ddbench_spies.SEEN] == ["squeeze", "prepare", "synthesize"]
    for _, data, images, labels in ddbench_spies.SEEN:
        assert images.equal(whole.images(left))
        assert labels.equal(whole.labels[left])
        assert (data.sizes["train"], data.class_counts) == (54, (18, 18, 18))
    assert len(held) == 6


def test_every_key_but_none_of_a_run_without_it_moves(spies: Planned) -> None:
    plain, last, val = spies(**EXAM), spies(select="last", **EXAM), spies(select="val", **EXAM)
    assert plain.stages.keys() == last.stages.keys() == spies(select="best", **EXAM).stages.keys()
    assert not plain.stages.keys() & val.stages.keys()
    assert all("holdout" not in stage.facts["data"] for stage in plain.stages.values())
    assert all(stage.facts["data"]["holdout"] == 10 for stage in val.stages.values())


def test_the_validated_accuracy_is_in_result_and_frame(spies: Planned, carry_out: CarryOut) -> None:
    plan = spies(select="val", **EXAM)
    metas = {outcome.stage.key: outcome.meta for outcome in carry_out(plan.stages.values())}
    done = {"status": "done", "error": ""}
    [found] = [results.document(plan, trial, metas, done) for trial in plan.trials]
    measures = json.loads(json.dumps(found["measures"]))
    best = max(measures["validation"], key=lambda point: point["top1"])["epoch"]
    tested = {point["epoch"]: point["top1"] for point in measures["curve"]}
    assert measures["top1_val"] == tested[best]
    row = frames.frame([found]).iloc[0]
    assert row["top1_val"] == measures["top1_val"]
    assert row["calibration_error"] == measures["calibration_error"]
    assert row["flag"] == ""


def test_results_without_it_say_nothing_of_it(spies: Planned, carry_out: CarryOut) -> None:
    outcomes = carry_out(spies(**EXAM).stages.values())
    [measures] = [outcome.meta["result"] for outcome in outcomes if outcome.stage.kind == "evaluate"]
    assert measures.keys() == {"top1", "top5", "top1_best", "loss", "curve", "calibration_error"}


def test_the_tables_data_column_tells_both_apart(spies: Planned, carry_out: CarryOut) -> None:
    told = []
    for select in ("last", "val"):
        plan = spies(select=select, **EXAM)
        metas = {outcome.stage.key: outcome.meta for outcome in carry_out(plan.stages.values())}
        done = {"status": "done", "error": ""}
        told += [row(results.document(plan, trial, metas, done)) for trial in plan.trials]
    assert told[0]["data"] != told[1]["data"]
    assert {name for name in ("dataset", "evaluator") if told[0][name] != told[1][name]} == set()


def test_all_real_images_are_those_that_are_left(spies: Planned) -> None:
    [full] = spies(synth="full", select="val", **EXAM).trials
    assert full.trial.cell.ipc == 18


def test_an_exam_that_cannot_validate_is_refused_before_anything_runs(spies: Planned) -> None:
    with pytest.raises(UserError, match="evaluator 'blind' does not test on held-out images, which --select val needs"):
        spies(evaluator="blind", select="val")
    assert spies(evaluator="blind").trials


def test_an_exam_that_does_not_keep_its_word_fails_the_trial(spies: Planned, carry_out: CarryOut) -> None:
    outcomes = carry_out(spies(evaluator="forgetful", select="val").stages.values())
    assert [outcome.error for outcome in outcomes if outcome.status == "failed"] == [
        "ValueError: the evaluator gives no 'top1_val', though there are held-out images to select the epoch by"
    ]


def test_data_with_too_few_images_of_a_class_is_refused(spies: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddbench.holdout.EVERY", 21)
    with pytest.raises(UserError, match=r"--select val .* of toy has 20"):
        spies(select="val", **EXAM)


def test_a_benchmark_writes_down_what_it_selects_and_refuses_what_there_is_not() -> None:
    written: dict[str, Any] = grids.build(grids.settings({"select": "val", "metrics": "lrs"}, "{}")).document()
    assert (written["select"], written["metrics"]) == ("val", ["lrs"])
    with pytest.raises(UserError, match="select: expected last, best, val, got 'first'"):
        grids.settings({"select": "first"}, "{}")
    with pytest.raises(UserError, match=r"its 'metrics' holds for the whole file"):
        grids.settings({"grid": [{"metrics": "lrs"}]}, "{}")
