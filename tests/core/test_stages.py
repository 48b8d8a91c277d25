from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from ddbench import bench, stages
from ddbench.artifact import Draft
from ddbench.errors import UserError
from ddbench.meter import metered
from ddbench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ddbench.plan import Plan
    from ddbench.types import Event, Outcome

    Planned = Callable[..., Plan]
    CarryOut = Callable[..., list[Outcome]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def of(plan: Plan, *kinds: str) -> list[Any]:
    return [stage for stage in plan.stages.values() if stage.kind in kinds]


def one(outcomes: list[Outcome]) -> Outcome:
    [outcome] = outcomes
    return outcome


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("float", "images must be uint8 of shape (3, 1, 8, 8), got torch.float32 of shape (3, 1, 8, 8)"),
        ("size", "images must be uint8 of shape (3, 1, 8, 8), got torch.uint8 of shape (3, 1, 8, 7)"),
        ("rank", "images must be uint8 of shape (3, 1, 8, 8), got torch.uint8 of shape (3, 8, 8)"),
        ("negative", "labels must be int64 in 0..2, got torch.int64 [-1, 0, 1]"),
        ("beyond", "labels must be int64 in 0..2, got torch.int64 [1, 2, 3]"),
        ("int32", "labels must be int64 in 0..2, got torch.int32 [0, 1, 2]"),
        ("column", "labels must be int64"),
        ("missing", "the synthesizer made [1, 1, 0] images per class where 1 of each were asked"),
        ("many", "the synthesizer made [2, 1, 1] images per class where 1 of each were asked"),
        ("nothing", "the synthesizer made [0, 0, 0] images per class where 1 of each were asked"),
    ],
)
def test_images_that_break_the_contract_fail_the_stage_and_nothing_is_stored(
    planned: Planned, carry_out: CarryOut, store: Store, fault: str, message: str
) -> None:
    outcome = one(carry_out(of(planned(synth=f"faulty[fault={fault}]", ipc=1), "synthesize")))
    assert outcome.status == "failed"
    assert outcome.error.startswith(f"ValueError: {message}")
    assert "\n" not in outcome.error
    assert "Traceback" in outcome.meta["traceback"]
    assert list(store.artifacts()) == []
    assert list((store.root / "drafts").iterdir()) == []


def test_a_synthesizer_that_raises_fails_its_own_stage_alone(
    planned: Planned, carry_out: CarryOut, store: Store
) -> None:
    plan = planned(synth="toy-synth[fail_at=1]", ipc=3)
    outcomes = carry_out(of(plan, "squeeze", "synthesize"))
    assert [outcome.status for outcome in outcomes] == ["done", "done", "failed", "done"]
    assert outcomes[2].error == "RuntimeError: told to fail at index 1"
    assert {artifact.key for artifact in store.artifacts()} == {
        outcome.stage.key for outcome in outcomes if outcome.status == "done"
    }


def test_an_interrupt_goes_through_and_leaves_no_draft(
    planned: Planned, carry_out: CarryOut, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(stages._VERBS, "squeeze", interrupted)
    with pytest.raises(KeyboardInterrupt):
        carry_out(of(planned(), "squeeze"))
    assert list((store.root / "drafts").iterdir()) == []


def test_a_stage_that_was_done_is_reused_with_the_same_meta(planned: Planned, carry_out: CarryOut) -> None:
    chain = list(planned().stages.values())
    first, second = carry_out(chain), carry_out(chain)
    assert [outcome.status for outcome in first] == ["done"] * 5
    assert [outcome.status for outcome in second] == ["reused"] * 5
    assert [outcome.meta for outcome in first] == [outcome.meta for outcome in second]


def test_the_same_stages_in_another_store_give_equal_tensors_and_numbers(
    planned: Planned, carry_out: CarryOut, tmp_path: Path, store: Store
) -> None:
    plan = planned(labels="live[bytes=5]", synth="toy-synth,toy-joint,lottery")
    carry_out(plan.stages.values())
    store.root.rename(tmp_path / "first")
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)
    carry_out(plan.stages.values())
    for stage in plan.stages.values():
        one_, other = (Store(root).artifact(stage.kind, stage.key) for root in (tmp_path / "first", store.root))
        assert one_.meta()["result"] == other.meta()["result"]
        for file in one_.meta()["files"]:
            assert (one_.folder / file).read_bytes() == (other.folder / file).read_bytes()


def test_every_global_generator_is_seeded_from_the_stage(planned: Planned, carry_out: CarryOut, store: Store) -> None:
    drawn = []
    for lists in ({"synth_seeds": 0}, {"synth_seeds": 1}):
        plan = planned(synth="lottery", ipc=2, **lists)
        carry_out(of(plan, "synthesize"))
        drawn += [
            store.artifact("synthesize", key).tensors("batch-00000")["images"][:, 0, 0, 0].tolist()
            for key in plan.trials[0].shards
        ]
    for generator in range(3):
        assert len({numbers[generator] for numbers in drawn}) > 1


def test_seeds_and_indices_give_other_images(planned: Planned, carry_out: CarryOut, store: Store) -> None:
    plan = planned(ipc=2, synth_seeds="0-1")
    carry_out(of(plan, "squeeze", "synthesize"))
    images = [
        store.artifact("synthesize", key).tensors("batch-00000")["images"]
        for trial in plan.trials
        for key in trial.shards
    ]
    assert len({tuple(image.flatten().tolist()) for image in images}) == 4


def test_every_call_of_teacher_hands_out_a_fresh_frozen_copy(planned: Planned, carry_out: CarryOut) -> None:
    plan = planned(synth="vandal,toy-synth")
    outcomes = carry_out(of(plan, "squeeze", "synthesize"))
    assert [outcome.error for outcome in outcomes] == [""] * 5
    again = carry_out(of(planned(synth="vandal[noise=1]"), "synthesize"))
    assert [outcome.error for outcome in again] == [""] * 2


def test_a_stage_whose_inputs_are_not_there_fails(planned: Planned, carry_out: CarryOut) -> None:
    outcome = one(carry_out(of(planned(), "relabel")))
    assert outcome.status == "failed"
    assert "cannot be read" in outcome.error


def test_a_corrupt_artifact_is_told_and_computed_anew(planned: Planned, carry_out: CarryOut, store: Store) -> None:
    [stage] = of(planned(), "squeeze")
    sound = one(carry_out([stage])).meta
    file = store.artifact("squeeze", stage.key).folder / "weights.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    events: list[Event] = []
    outcome = one(carry_out([stage], events.append))
    assert (outcome.status, outcome.meta["result"]) == ("done", sound["result"])
    [warning] = [event.payload["message"] for event in events if event.name == "warning"]
    assert "weights.safetensors does not match its checksum; it will be computed anew" in warning
    assert file.read_bytes() == content


def test_an_artifact_without_its_meta_is_computed_anew(planned: Planned, carry_out: CarryOut, store: Store) -> None:
    [stage] = of(planned(), "squeeze")
    carry_out([stage])
    (store.artifact("squeeze", stage.key).folder / "meta.json").unlink()
    assert one(carry_out([stage])).status == "done"
    store.artifact("squeeze", stage.key).verify()


def test_two_who_want_a_stage_at_once_compute_it_once(planned: Planned, carry_out: CarryOut) -> None:
    [stage] = of(planned(), "squeeze")
    together = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: one(carry_out([stage], lambda event: wait_once(event, together))), range(2)))
    assert sorted(outcome.status for outcome in both) == ["done", "reused"]
    assert both[0].meta == both[1].meta


def wait_once(event: Event, together: threading.Barrier) -> None:
    if event.name == "stage-started":
        together.wait(timeout=30)


def test_progress_is_told_a_few_times_a_second_and_the_end_always(planned: Planned, carry_out: CarryOut) -> None:
    plan = planned(synth="chatty", ipc=1)
    carry_out(of(plan, "squeeze"))
    events: list[Event] = []
    outcome = one(carry_out(of(plan, "synthesize"), events.append))
    progress = [event.payload for event in events if event.name == "stage-progress"]
    assert outcome.status == "done"
    assert {"done": 1000, "total": 1000, "loss": 999.0} in progress
    assert 2 <= len(progress) <= 3 + outcome.meta["cost"]["seconds"] / 0.2
    assert events[0].name == "stage-started"
    assert all(event.stage == outcome.stage for event in events)


def test_progress_is_told_again_after_a_fifth_of_a_second(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    [stage] = of(planned(), "squeeze")
    told: list[Any] = []
    progress = stages._Progress(stage, lambda event: told.append(event.payload["done"]))
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for step in range(1, 11):
        progress(step, 10)
        now += 0.07
    assert told == [1, 4, 7, 10]


@pytest.mark.parametrize(
    ("lists", "kind", "message"),
    [
        (
            {"evaluator": "toy-exam[nan=true]"},
            "evaluate",
            "FloatingPointError: the evaluator's measures are not finite",
        ),
        ({"teacher": "nan-teacher"}, "squeeze", "FloatingPointError: the teacher's weights are not finite"),
    ],
)
def test_numbers_that_are_not_finite_fail_the_stage_and_are_not_stored(
    planned: Planned, carry_out: CarryOut, store: Store, lists: dict[str, str], kind: str, message: str
) -> None:
    plan = planned(**lists)
    outcome = next(outcome for outcome in carry_out(plan.stages.values()) if outcome.stage.kind == kind)
    assert outcome.status == "failed"
    assert outcome.error.startswith(message)
    assert [artifact for artifact in store.artifacts() if artifact.kind == kind] == []


def test_data_and_networks_are_there_before_the_clock_starts(
    planned: Planned, carry_out: CarryOut, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(bench.Bench, "examples", told_first(told, "data", bench.Bench.examples))
    monkeypatch.setattr(bench, "_build_once", told_first(told, "network", bench._build_once))
    monkeypatch.setattr(stages, "metered", told_first(told, "clock", metered))
    carry_out(planned().stages.values())
    clocks = [index for index, what in enumerate(told) if what == "clock"]
    before = [told[start + 1 : end] for start, end in zip([-1, *clocks], clocks, strict=False)]
    assert before[0] == ["data", "data", "network"]  # squeeze
    assert before[-1][-2:] == ["data", "network"]  # evaluate, whose labels ask no teacher


def told_first(told: list[str], what: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that notes its call."""

    def noting(*arguments: Any, **named: Any) -> Any:
        told.append(what)
        return function(*arguments, **named)

    return noting


def test_the_meta_records_facts_inputs_cost_sources_and_environment(planned: Planned, carry_out: CarryOut) -> None:
    outcome = carry_out(planned().stages.values())[-1]
    meta, stage = outcome.meta, outcome.stage
    assert (meta["kind"], meta["key"], meta["inputs"]) == ("evaluate", stage.key, stage.inputs)
    assert meta["facts"] == stage.facts
    assert meta["cost"].keys() == {
        "seconds", "peak_memory_bytes", "device", "forward_images", "backward_images", "attempts", "host_peak_bytes"
    }  # fmt: skip
    assert meta["sources"].keys() == {"ddbench"}
    assert meta["environment"]["device"] == "cpu"
    assert 0 <= meta["result"]["top1"] <= 100
    assert meta["started_at"].endswith("+00:00")


def test_a_foreign_component_s_package_is_among_the_sources(planned: Planned, carry_out: CarryOut) -> None:
    outcome = one(carry_out(of(planned(synth="lottery", ipc=1), "synthesize")))
    assert outcome.meta["sources"].keys() == {"ddbench", "ddbench_core_parts"}


def test_images_of_a_set_come_to_a_student_in_the_order_of_their_indices(
    planned: Planned, carry_out: CarryOut, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(ipc=11)
    carry_out(of(plan, "squeeze", "synthesize"))
    seen: dict[str, Any] = {}
    monkeypatch.setitem(stages._VERBS, "relabel", lambda own, draft: seen.update(set=own.distilled) or {"bytes": 0})
    carry_out(of(plan, "relabel"))
    distilled = seen["set"]
    shards = [store.artifact("synthesize", key).tensors("batch-00000")["images"] for key in plan.trials[0].shards]
    assert torch.equal(distilled.images, torch.cat(shards))
    assert distilled.labels.tolist() == [0, 1, 2] * 11
    assert distilled.ipc == 11


@pytest.mark.parametrize("name", ["tpu-of-dreams", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UserError, match=f"device '{name}' cannot be used: .*see 'ddbench env'") as caught:
        bench.require_device(name)
    assert "\n" not in str(caught.value)


def test_a_gpu_is_told_to_be_repeatable_without_filling_memory_that_it_writes_anyway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    bench.make_repeatable(0, torch.device("cpu"))
    assert torch._C._get_deterministic_fill_uninitialized_memory()
    bench.make_repeatable(0, torch.device("cuda"))
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
    assert not torch._C._get_deterministic_fill_uninitialized_memory()


def test_the_processor_and_auto_are_always_there() -> None:
    bench.require_device("cpu")
    bench.require_device("auto")


def test_the_whole_training_set_is_taken_whole_or_not_at_all(planned: Planned, carry_out: CarryOut) -> None:
    whole = one(carry_out(of(planned(synth="everything"), "synthesize")))
    assert whole.status == "done"
    short = one(carry_out(of(planned(synth="everything[less=1]"), "synthesize")))
    assert short.error.startswith("ValueError: the synthesizer made [")
    assert "where the training set's [" in short.error


def test_labels_of_single_views_are_made_of_the_views_under_the_student_s_own_seed(
    planned: Planned, carry_out: CarryOut
) -> None:
    plan = planned(labels="viewed", evaluator="open-exam[steps=2]", seeds="0-1")
    outcomes = carry_out(list(plan.stages.values()))
    assert [outcome.error for outcome in outcomes if outcome.status != "done"] == []


def test_images_through_a_teacher_are_counted_whichever_copy_they_take(planned: Planned, carry_out: CarryOut) -> None:
    outcomes = carry_out(of(planned(synth="passing", ipc=1), "squeeze", "synthesize"))
    cost = outcomes[-1].meta["cost"]
    assert (cost["forward_images"], cost["backward_images"]) == (4 + 3 + 2, 4 + 2)
    assert outcomes[0].meta["cost"]["forward_images"] == 0


def test_a_stage_that_fails_because_another_machine_finished_it_meanwhile_is_reused(
    planned: Planned, carry_out: CarryOut, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    squeeze = next(iter(planned().stages.values()))
    compute = stages._compute

    def overtaken(*arguments: Any) -> Any:
        meta = compute(*arguments)
        [ours] = (each for each in arguments if isinstance(each, Draft))
        theirs = store.draft("another")
        theirs.files.update(ours.files)
        for file in ours.folder.iterdir():
            file.rename(theirs.folder / file.name)
        store.commit(theirs, squeeze.kind, squeeze.key, meta)
        raise FileNotFoundError("the workspace is gone")

    monkeypatch.setattr("ddbench.stages._compute", overtaken)
    outcome = one(carry_out([squeeze]))
    assert outcome.status == "reused", outcome.error
    assert outcome.meta == store.artifact(squeeze.kind, squeeze.key).verify()


def test_a_stage_short_of_memory_is_tried_once_more_which_is_told_and_kept_but_in_no_key(
    planned: Planned, carry_out: CarryOut, store: Store
) -> None:
    events: list[Event] = []
    squeeze, stage = of(planned(synth="hungry", ipc=1), "squeeze", "synthesize")
    carry_out([squeeze])
    outcome = one(carry_out([stage], events.append))
    assert (outcome.status, outcome.stage.key) == ("done", stage.key)
    first, second = outcome.meta["notes"]
    assert first.startswith("short of memory (OutOfMemoryError: CUDA out of memory. Tried to allocate 7 TiB.)")
    assert second == "in 2 parts"
    warnings = [event.payload["message"] for event in events if event.name == "warning"]
    assert warnings == [f"{stage.label}: {first}", f"{stage.label}: {second}"]
    assert store.artifact("synthesize", stage.key).verify()["files"].keys() == {"batch-00000.safetensors"}
    [plain] = of(planned(ipc=1), "synthesize")
    assert "notes" not in one(carry_out([plain])).meta


def test_a_stage_short_of_memory_twice_fails_by_name_with_what_to_do(
    planned: Planned, carry_out: CarryOut, store: Store
) -> None:
    squeeze, stage = of(planned(synth="hungry[always=true]", ipc=1), "squeeze", "synthesize")
    carry_out([squeeze])
    outcome = one(carry_out([stage]))
    assert outcome.status == "failed"
    assert outcome.error.startswith(f"{stage.label} ran out of memory on cpu twice, the second time saving it")
    assert "lower its batch_size" in outcome.error
    assert not (store.root / "drafts").exists() or not list((store.root / "drafts").iterdir())
