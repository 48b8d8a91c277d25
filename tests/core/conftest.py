"""A plan and its stages in one process, with the toys and the odd parts installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ddbench import results
from ddbench.benchmark import build, settings
from ddbench.plan import plan
from ddbench.registry import registry
from ddbench.types import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ddbench.plan import Plan
    from ddbench.types import Event, Outcome, Stage

SMALL = {
    "synth": "toy-synth", "eval": "toy-net", "dataset": "toy", "ipc": 2, "seeds": 0, "teacher": "toy-teacher",
    "labels": "toy-labels", "evaluator": "toy-exam",
}  # fmt: skip


@pytest.fixture
def planned(toys: list[str], install: Callable[..., Path], tmp_path: Path) -> Callable[..., Plan]:
    """Return a function that plans a small benchmark with toys, some of its lists replaced."""
    install("parts", "ddbench_core_parts", Path(__file__).with_name("parts.py").read_text())

    def make(**lists: Any) -> Plan:
        return plan(build(settings({**SMALL, **lists}, "{}")), registry(), Place(tmp_path / "data", tmp_path / "cache"))

    return make


@pytest.fixture
def carry_out(tmp_path: Path) -> Iterator[Callable[..., list[Outcome]]]:
    """Return a function that works on stages one by one, here; the random state of before comes back afterwards."""
    import random

    import numpy as np
    import torch

    from ddbench.bench import Context
    from ddbench.stages import work

    context = Context(tmp_path / "store", Place(tmp_path / "data", tmp_path / "cache"), "cpu")
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()

    def carry(
        stages: Iterator[Stage] | list[Stage], tell: Callable[[Event], None] = lambda event: None
    ) -> list[Outcome]:
        return [work(stage, tell, context) for stage in stages]

    yield carry
    torch.use_deterministic_algorithms(mode=False)
    random.setstate(before[0])
    np.random.set_state(before[1])
    torch.set_rng_state(before[2])


@pytest.fixture
def documents(planned: Callable[..., Plan], carry_out: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that computes a small benchmark and writes its trials down."""

    def make(**lists: Any) -> list[dict[str, Any]]:
        plan = planned(**lists)
        metas = {outcome.stage.key: outcome.meta for outcome in carry_out(plan.stages.values())}
        return [results.document(plan, trial, metas, {"status": "done", "error": ""}) for trial in plan.trials]

    return make


@pytest.fixture
def found(documents: Callable[..., list[dict[str, Any]]]) -> dict[str, Any]:
    """Return one trial's document as it is read from a file."""
    return dict(json.loads(json.dumps(documents()[0])))


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes documents under a folder, which it returns."""

    def save(*found: dict[str, Any]) -> Path:
        for number, document in enumerate(found):
            results.write(tmp_path / "out" / "deep" / f"{number}.json", document)
        return tmp_path / "out"

    return save
