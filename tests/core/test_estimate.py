from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from ddbench.estimate import Estimate, Memory, estimate, estimator_of
from ddbench.meter import resident
from ddbench.probe import Probe
from ddbench.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ddbench.plan import Plan
    from ddbench.types import Outcome, Passes

    Planned = Callable[..., Plan]
    CarryOut = Callable[..., list[Outcome]]

STEPS = 12
REAL = {
    "dataset": "digits", "teacher": "train[architecture=convnet,epochs=3]", "labels": "online", "evaluator": "standard",
    "eval": "resnet18",
}  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Passes]]:
    """Let every image take one second, and remember what was asked of which network."""
    seen: list[tuple[str, Passes]] = []

    def seconds(probe: Probe, architecture: Any, data: Any, passes: Passes) -> float:
        seen.append((architecture.name, passes))
        return float(passes.images)

    monkeypatch.setattr(Probe, "seconds", seconds)
    return seen


def told(plan: Plan, store: Path) -> dict[str, list[Estimate]]:
    estimates = estimate(plan, plan.stages, Store(store), "cpu")
    kinds: dict[str, list[Estimate]] = {}
    for key, each in estimates.items():
        kinds.setdefault(plan.stages[key].kind, []).append(each)
    return kinds


def test_a_teacher_takes_its_epochs_and_its_tests(planned: Planned, asked: list[Any], tmp_path: Path) -> None:
    plan = planned(**REAL, synth="sre2l[iterations=7]", ipc=2)
    sizes = plan.trials[0].data.sizes
    [squeeze] = told(plan, tmp_path)["squeeze"]
    assert squeeze.seconds == 3 * sizes["train"] + sizes["test"]
    assert squeeze.grounds == "probed"


def test_an_index_takes_an_image_of_each_class_at_every_iteration(
    planned: Planned, asked: list[Any], tmp_path: Path
) -> None:
    plain = told(planned(**REAL, synth="sre2l[iterations=7]", ipc=2), tmp_path)["synthesize"]
    assert [each.seconds for each in plain] == [70, 70]
    climbing = told(planned(**REAL, synth=f"dwa[iterations=7,steps={STEPS}]", ipc=1), tmp_path)["synthesize"]
    assert [each.seconds for each in climbing] == [10 * (7 + STEPS)]
    both = told(planned(**REAL, synth=f"dwa[iterations=7,steps={STEPS},statistics_on=original]", ipc=1), tmp_path)[
        "synthesize"
    ]
    assert [each.seconds for each in both] == [10 * (2 * 7 + STEPS)]


def test_images_and_weights_weigh_what_is_stored(
    planned: Planned, carry_out: CarryOut, asked: list[Any], tmp_path: Path
) -> None:
    plan = planned(ipc=2)
    estimates = estimate(plan, plan.stages, Store(tmp_path / "empty"), "cpu")
    for outcome in carry_out(list(plan.stages.values())):
        if outcome.stage.kind in {"squeeze", "synthesize"}:
            stored = Store(tmp_path / "store").artifact(outcome.stage.kind, outcome.stage.key)
            exact = sum(part.nbytes for name in stored.meta()["files"] for part in stored.tensors(name[:-12]).values())
            assert estimates[outcome.stage.key].nbytes == exact


def test_of_a_component_that_says_nothing_nothing_is_guessed(planned: Planned, tmp_path: Path) -> None:
    estimates = told(planned(), tmp_path)
    assert {each.grounds for kind in estimates.values() for each in kind} == {"unknown"}
    assert {each.seconds for kind in estimates.values() for each in kind} == {None}


def test_a_stage_takes_as_long_as_its_like_did_whatever_the_seed(
    planned: Planned, carry_out: CarryOut, tmp_path: Path
) -> None:
    outcomes = carry_out(list(planned(seeds=0).stages.values()))
    took = {kind: [o.meta["cost"]["seconds"] for o in outcomes if o.stage.kind == kind] for kind in ("evaluate",)}
    other = told(planned(seeds=1, synth_seeds=1), tmp_path / "store")
    assert {each.grounds for each in other["synthesize"] + other["evaluate"]} == {"measured"}
    assert other["evaluate"][0].seconds == pytest.approx(sum(took["evaluate"]) / len(took["evaluate"]))
    assert {each.grounds for each in told(planned(ipc=3), tmp_path / "store")["evaluate"]} == {"unknown"}


def test_a_network_is_timed_once_and_time_grows_with_the_images(planned: Planned) -> None:
    from ddbench.spec import Spec
    from ddbench.types import Passes

    data, probe = planned().trials[0].data, Probe(torch.device("cpu"))
    one, many = (
        probe.seconds(Spec("toy-net"), data, Passes("student", count, "weights", 4)) or math.nan for count in (1, 1000)
    )
    assert many == pytest.approx(1000 * one)
    assert one > 0
    assert math.isfinite(one)


def test_a_student_takes_its_epochs_its_tests_and_a_live_teacher_s_look_at_every_view(
    planned: Planned, asked: list[Any], tmp_path: Path
) -> None:
    exam = REAL | {"evaluator": "standard[epochs=30,test_every=10]", "synth": "random", "ipc": 2}
    plan = planned(**exam)
    views, tests = 30 * 2 * 10, 3 * plan.trials[0].data.sizes["test"]
    assert told(plan, tmp_path)["evaluate"][0].seconds == views + tests + views
    assert told(planned(**exam | {"labels": "hard"}), tmp_path)["evaluate"][0].seconds == views + tests
    memo = told(planned(**exam | {"labels": "stored[form=float16]"}), tmp_path)
    assert memo["evaluate"][0].seconds == views + tests
    assert (memo["relabel"][0].seconds, memo["relabel"][0].nbytes) == (views, views * 10 * 2)


def test_memory_is_the_highest_of_its_like_else_reckoned_from_its_networks(
    planned: Planned, carry_out: CarryOut, asked: list[Any], tmp_path: Path
) -> None:
    outcomes = carry_out(list(planned(seeds="0-1").stages.values()))
    peaks = [each.meta["cost"]["peak_memory_bytes"] for each in outcomes if each.stage.kind == "evaluate"]
    [seen] = told(planned(seeds=2), tmp_path / "store")["evaluate"]
    assert seen.memory == Memory(max(peaks), max(peaks), "measured")
    [unseen] = told(planned(), tmp_path)["evaluate"]
    assert unseen.memory == Memory(None, None, "unknown")

    plan = planned(**REAL, synth="random", ipc=2)
    reckoned = told(plan, tmp_path)
    squeeze, evaluate = (reckoned[kind][0].memory for kind in ("squeeze", "evaluate"))
    assert {squeeze.grounds, evaluate.grounds} == {"reckoned"}
    assert (squeeze.peak or 0) > resident() - 2**26
    assert evaluate.peak == evaluate.least  # a processor has no second attempt


def test_on_a_gpu_the_least_is_that_of_half_a_batch(planned: Planned, tmp_path: Path) -> None:
    plan = planned(**REAL, synth="random", ipc=2)
    estimator = replace(estimator_of(plan, [], "cpu"), probe=Probe(torch.device("meta")), own=0)
    [stage] = [stage for stage in plan.stages.values() if stage.kind == "squeeze"]
    memory = estimator.memory(stage)
    splits = sum(plan.trials[0].data.sizes.values()) * 64
    weights = estimator.probe.weight_bytes(stage.specs["teacher_architecture"], plan.trials[0].data)
    assert memory.peak is not None
    assert memory.least is not None
    assert 2 * memory.least - memory.peak == pytest.approx(4 * weights + splits, abs=2)
