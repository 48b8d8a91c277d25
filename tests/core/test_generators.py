"""Synthesizers that build on a generator: what is planned, shared, stored and told of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

import ddbench
from ddbench import bench, ledger, stages
from ddbench.errors import UserError
from ddbench.registry import registry
from ddbench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ddbench.plan import Plan
    from ddbench.types import Outcome

    Planned = Callable[..., Plan]
    CarryOut = Callable[..., list[Outcome]]

GRID: dict[str, Any] = {
    "synth": "toy-drawn", "eval": "toy-net", "dataset": "toy", "ipc": 2, "seeds": 0, "teacher": "toy-teacher",
    "labels": "toy-labels", "evaluator": "toy-exam", "executor": "serial",
}  # fmt: skip


@pytest.fixture
def generator(toys: list[str]) -> Any:
    """The class that the registry hands out, to be changed by a test."""
    return registry().entry("generator", "toy-generator").load()


@pytest.fixture
def loads(generator: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Tasks with which the generator was loaded, in a process that has loaded none before."""
    loads, load = [], generator.load

    def counted(self: Any, task: Any) -> Any:
        loads.append(task)
        return load(self, task)

    monkeypatch.setattr(generator, "load", counted)
    monkeypatch.setattr(bench, "_generators", {})
    return loads


def of(plan: Plan, kind: str) -> set[str]:
    return {key for key, stage in plan.stages.items() if stage.kind == kind}


def test_a_generator_is_trained_once_for_all_methods_and_synthesis_seeds(planned: Planned) -> None:
    plan = planned(synth="toy-drawn,toy-drawn[gain=2.0]", synth_seeds="0-2")
    assert len(of(plan, "pretrain")) == 1
    assert len(of(plan, "prepare")) == 2 * 3
    [pretrain] = of(plan, "pretrain")
    readers = {stage.kind for stage in plan.stages.values() if stage.inputs.get("generator") == pretrain}
    assert readers == {"prepare", "synthesize"}


def test_another_generator_is_another_method(planned: Planned) -> None:
    plan = planned(synth="toy-drawn,toy-drawn[generator=toy-generator[brightness=9.0]]", ipc=1)
    assert len(of(plan, "pretrain")) == len(of(plan, "prepare")) == len(of(plan, "synthesize")) == 2


def test_a_generator_spelt_out_is_the_same_generator(planned: Planned) -> None:
    short, long = planned(synth="toy-drawn"), planned(synth="toy-drawn[generator=toy-generator[brightness=0.0,seed=0]]")
    assert short.stages.keys() == long.stages.keys()


def test_what_comes_after_the_preparation_does_not_prepare_anew(planned: Planned) -> None:
    plan = planned(synth="toy-drawn,toy-drawn[noise=6.0]", ipc=1)
    assert len(of(plan, "prepare")) == 1
    assert len(of(plan, "synthesize")) == 2
    assert len(of(planned(synth="toy-drawn,toy-drawn[gain=3.0]", ipc=1), "prepare")) == 2


def test_a_generator_is_checked_by_name_when_the_run_is_planned(planned: Planned) -> None:
    with pytest.raises(UserError, match=r"unknown generator 'toy-generater'; did you mean 'toy-generator'\?"):
        planned(synth="toy-drawn[generator=toy-generater]")
    with pytest.raises(UserError, match="unknown parameter 'brigthness'"):
        planned(synth="toy-drawn[generator=toy-generator[brigthness=1.0]]")


def test_a_result_tells_what_the_generator_and_the_preparation_took(toys: list[str], tmp_path: Path) -> None:
    [row] = ddbench.run(**GRID, store=tmp_path / "store", out=tmp_path / "results").to_dict("records")
    assert row["status"] == "done"
    assert row["flag"] == ""
    assert row["pretrain_seconds"] > 0
    assert row["prepare_seconds"] > 0
    assert row["prepare_peak_memory_bytes"] > 0
    assert row["synthesize_forward_images"] == 2 * 3, "one pass of the generator for each image"


def test_facts_of_the_generator_are_in_the_result_and_its_keys_recompute(toys: list[str], tmp_path: Path) -> None:
    from ddbench import results
    from ddbench.listing import files

    ddbench.run(**GRID, store=tmp_path / "store", out=tmp_path / "results")
    [path] = files(tmp_path / "results")
    document = results.read(path)
    pretrain, prepare = (document["stages"][kind]["facts"] for kind in ("pretrain", "prepare"))
    assert pretrain["generator"] == {"name": "toy-generator", "version": 1, "brightness": 0.0, "seed": 0}
    own = {"name": "toy-drawn", "version": 1, "gain": 1.0}
    assert prepare["synthesizer"] == own | {"generator": pretrain["generator"]}
    for kind in ("pretrain", "prepare"):
        edited = document | {"stages": document["stages"] | {kind: document["stages"][kind] | {"key": "0" * 64}}}
        assert results.flag(edited) == "key differs"


def test_a_workspace_outlives_a_failure_and_goes_with_success(
    planned: Planned, carry_out: CarryOut, generator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(synth="toy-drawn")
    [stage] = [stage for stage in plan.stages.values() if stage.kind == "pretrain"]
    found: list[str] = []

    def interrupted(self: Any, task: Any) -> Mapping[str, Any]:
        found.extend(path.name for path in task.workspace.iterdir())
        (task.workspace / "checkpoint").write_text("half way")
        raise RuntimeError("no further")

    with monkeypatch.context() as patch:
        patch.setattr(generator, "pretrain", interrupted)
        assert [outcome.status for outcome in carry_out([stage, stage])] == ["failed", "failed"]
    assert found == ["checkpoint"]
    assert carry_out([stage])[0].status == "done"
    assert not (Store(tmp_path / "store").root / "workspaces" / stage.key).exists()


def test_every_stage_gets_a_copy_of_the_generator_of_its_own(
    planned: Planned, carry_out: CarryOut, loads: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    def spoilt(self: Any, task: Any) -> Mapping[str, Any]:
        weights = next(task.generator().network.parameters())
        seen.append(float(weights.abs().sum()))
        weights.zero_()
        return {"contrast": weights.new_ones(1)}

    monkeypatch.setattr(registry().entry("synthesizer", "toy-drawn").load(), "prepare", spoilt)
    plan = planned(synth="toy-drawn,toy-drawn[gain=2.0]")
    outcomes = carry_out(list(plan.stages.values()))
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert len(loads) == 1, "its weights are read once in a process"
    assert seen[0] != 0
    assert len(set(seen)) == 1, "what one stage does to its copy no other sees"


def test_a_generator_whose_files_have_changed_fails_the_stage(
    planned: Planned, carry_out: CarryOut, generator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(synth="toy-drawn")
    monkeypatch.setattr(generator, "identity", lambda self: {"brightness": 5.0, "seed": 0}, raising=False)
    outcomes = carry_out(list(plan.stages.values()))
    failed = {outcome.error for outcome in outcomes if outcome.stage.kind == "prepare"}
    assert failed == {"the generator's file has changed since the run was planned; give the command again"}


def test_a_generator_from_files_that_changed_between_two_runs_is_read_again(
    planned: Planned, carry_out: CarryOut, generator: Any, loads: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in ("before", "after"):
        monkeypatch.setattr(generator, "identity", lambda self, content=content: {"content": content}, raising=False)
        plan = planned(synth="toy-drawn", ipc=1)
        assert {outcome.status for outcome in carry_out(list(plan.stages.values()))} == {"done"}
    assert len(loads) == 2


def test_a_method_that_says_it_has_a_generator_and_names_none_is_refused(
    planned: Planned, monkeypatch: pytest.MonkeyPatch, toys: list[str]
) -> None:
    monkeypatch.setattr(registry().entry("synthesizer", "toy-synth").load(), "uses_generator", True, raising=False)
    with pytest.raises(UserError, match="'toy-synth' cannot be planned: it has no field 'generator', a text"):
        planned(synth="toy-synth")


def test_a_result_that_is_there_stays_though_what_made_it_is_gone_and_fails_now(
    toys: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"store": tmp_path / "store", "out": tmp_path / "results"}
    [before] = ddbench.run(**GRID | {"ipc": 1}, **where)["top1"]
    store = Store(tmp_path / "store")
    for artifact in list(store.artifacts()):
        if artifact.kind == "prepare":
            store.remove(artifact.kind, artifact.key)

    def fail(self: Any, task: Any) -> Mapping[str, Any]:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(registry().entry("synthesizer", "toy-drawn").load(), "prepare", fail)
    frame = ddbench.run(**GRID | {"ipc": "1,2"}, **where).set_index("ipc")
    assert list(frame["status"]) == ["done", "failed"]
    assert frame["top1"][1] == before


def test_what_a_killed_attempt_took_is_in_the_cost_where_it_left_something_to_go_on_from(
    planned: Planned, carry_out: CarryOut, generator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(stages, "_PROGRESS_SECONDS", 0.0)
    pretrain = generator.pretrain

    def costs(*, checkpoint: bool) -> float:
        [stage] = [stage for stage in planned(synth="toy-drawn").stages.values() if stage.kind == "pretrain"]

        def interrupted(self: Any, task: Any) -> Mapping[str, Any]:
            if checkpoint:
                (task.workspace / "checkpoint").write_text("half way")
            time.sleep(0.5)
            task.compute.progress(1, 2)
            raise RuntimeError("no further")

        with monkeypatch.context() as patch:
            patch.setattr(generator, "pretrain", interrupted)
            assert carry_out([stage])[0].status == "failed"
        [outcome] = carry_out([stage])
        return float(outcome.meta["cost"]["seconds"])

    assert costs(checkpoint=True) >= 0.5
    monkeypatch.setattr(generator, "version", 2)
    assert generator.pretrain is pretrain
    assert costs(checkpoint=False) < 0.5


def test_an_identity_that_cannot_be_told_is_one_line(
    planned: Planned, generator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "identity", lambda self: dict[str, Any]()["file"], raising=False)
    with pytest.raises(UserError, match="generator 'toy-generator' cannot be read: KeyError: 'file'"):
        planned(synth="toy-drawn")


def test_a_component_objects_to_the_data_before_its_files_are_asked_for(
    planned: Planned, generator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any, task: Any) -> None:
        raise UserError("other classes")

    def fetch(self: Any) -> Mapping[str, Any]:
        raise UserError("fetch gigabytes first")

    monkeypatch.setattr(generator, "check", refuse, raising=False)
    monkeypatch.setattr(generator, "identity", fetch, raising=False)
    with pytest.raises(UserError, match="other classes"):
        planned(synth="toy-drawn")
