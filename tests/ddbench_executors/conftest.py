"""Stages that are functions' to work on, run to their ends as the runner does."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ddbench.frontier import StageFrontier
from ddbench.types import Event, Outcome, Stage

Run = Callable[..., tuple[list[Outcome], list[Event]]]


@pytest.fixture
def do(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the module of work functions, importable by its bare name here and in workers."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")
    return importlib.import_module("executor_work")


@pytest.fixture
def run_all() -> Run:
    """Return a function that runs stages to their ends; it returns outcomes and events."""

    def run_all(executor: Any, work: object, *stages: Stage) -> tuple[list[Outcome], list[Event]]:
        events: list[Event] = []
        outcomes: list[Outcome] = []
        left = StageFrontier({each.key: each for each in stages}, {each.key for each in stages})
        for outcome in executor.map(work, left, events.append, "cpu"):
            left.settle(outcome)
            outcomes.append(outcome)
        return outcomes, events

    return run_all
