"""Named exams as the planner resolves them: recipes that depend on ipc and student, and say how labels are asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ddbench.benchmark import build, settings
from ddbench.errors import UserError
from ddbench.plan import plan, written_out
from ddbench.registry import registry
from ddbench.testing.toys import ToyDataset
from ddbench.types import Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ddbench.plan import Plan
    from ddbench.types import DatasetSpec

    Planned = Callable[..., Plan]

CELL = {"dataset": "toy", "synth": "random", "teacher": "convnet", "labels": "online", "seeds": 0, "eval": "resnet18"}


@pytest.fixture
def planned(toys: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """Return a function that plans one cell on toy data that go by CIFAR-10's recipes."""
    plain = ToyDataset.spec

    def spec(dataset: ToyDataset, place: Place) -> DatasetSpec:
        return replace(plain(dataset, place), recipe="cifar10")

    monkeypatch.setattr(ToyDataset, "spec", spec)

    def make(**lists: Any) -> Plan:
        return plan(build(settings({**CELL, **lists}, "{}")), registry(), Place(tmp_path, tmp_path / "cache"))

    return make


def exams(plan: Plan) -> list[dict[str, Any]]:
    return [stage.facts["evaluator"] for stage in plan.stages.values() if stage.kind == "evaluate"]


def test_a_named_exam_asks_labels_its_own_way_and_the_user_another(planned: Planned) -> None:
    def asked(**lists: Any) -> tuple[float, str]:
        [relabel] = [stage for stage in planned(**lists).stages.values() if stage.kind == "relabel"]
        labeler = relabel.facts["labeler"]
        return labeler["temperature"], labeler["teacher_mode"]

    assert asked(evaluator="dwa") == (30, "train")
    assert asked(evaluator="rded") == (20, "eval")
    assert asked(evaluator="rded", labels="online[teacher_mode=train]") == (20, "train")


def test_labels_without_a_temperature_are_left_alone(planned: Planned) -> None:
    assert len(exams(planned(evaluator="rded", labels="hard"))) == 1


def test_what_an_exam_sets_for_an_ipc_or_a_student_holds_there_alone(planned: Planned) -> None:
    batches = {ipc: exams(planned(evaluator="rded", ipc=ipc))[0]["batch_size"] for ipc in (1, 10)}
    assert batches == {1: 10, 10: 50}
    rates = [exam["learning_rate"] for exam in exams(planned(evaluator="rded", eval="resnet18,mobilenetv2"))]
    assert rates == [0.001, 0.0025]


def test_what_the_user_writes_goes_before_what_an_exam_sets(planned: Planned) -> None:
    assert exams(planned(evaluator="rded[batch_size=7]", ipc=10))[0]["batch_size"] == 7


def test_one_exam_under_two_names_is_taken_once_and_told_twice(planned: Planned) -> None:
    plan = planned(evaluator="standard,dwa,dwa[epochs=400]")
    assert [str(trial.trial.cell.evaluator) for trial in plan.trials] == ["standard", "dwa"]
    assert len({trial.evaluate for trial in plan.trials}) == 1


def test_a_named_exam_without_a_recipe_for_the_data_is_refused(toys: list[str], tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"exam 'rded' has no recipe for 'toy'; it has for cifar10, .*; 'standard' serves"
    ):
        plan(build(settings({**CELL, "evaluator": "rded"}, "{}")), registry(), Place(tmp_path, tmp_path / "cache"))


def test_an_exam_that_differs_between_cells_is_not_written_out_and_one_that_does_not_is(
    planned: Planned, tmp_path: Path
) -> None:
    def written(**lists: Any) -> str:
        benchmark = build(settings({**CELL, **lists}, "{}"))
        return str(written_out(benchmark, registry(), Place(tmp_path, tmp_path / "cache")).evaluator[0])

    assert written(evaluator="rded", ipc="1,10") == "rded"
    assert "batch_size=50" in written(evaluator="rded", ipc="10")


def test_the_exam_of_the_whole_training_set_goes_by_its_own_size(planned: Callable[..., Any]) -> None:
    plan = planned(synth="full,random", dataset="digits", labels="hard", evaluator="minimax", eval="convnet", ipc=1)
    epochs = {
        str(trial.trial.cell.synthesizer): plan.stages[trial.evaluate].facts["evaluator"]["epochs"]
        for trial in plan.trials
    }
    assert epochs == {"full": 20, "random": 60}, "144 images of each class, and one"
