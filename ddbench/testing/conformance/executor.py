"""Promises of executors."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ddbench.frontier import StageFrontier
from ddbench.testing.conformance.declaration import check_component
from ddbench.testing.conformance.promises import promise, promised
from ddbench.testing.errands import errand
from ddbench.types import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddbench.protocols import Executor
    from ddbench.types import Event, Outcome

THREADS = 2  # torch's, when an executor is called: it has to see to one by itself


def check_executor(component: Executor) -> None:
    """Check that stages run once, after their inputs, on one thread, whatever fails or dies; and that events come home.

    Some stages are run where the executor runs them, in workers perhaps: that takes as long as these take to start.
    """
    check_component(component, cited=False)
    chain = (_stage("a"), _stage("b", of="a"), _stage("c", of="b"), _stage("d"))
    with _threads(), promise("runs every stage once, after those that it reads", vital=True):
        outcomes, events = _run(component, *chain)
        order = [outcome.stage.key for outcome in outcomes]
        promised(component, sorted(order) == list("abcd"), f"runs {order} where a, b, c and d were to run")
        promised(component, order.index("a") < order.index("b") < order.index("c"), "runs a stage before its inputs")
    with promise("brings the events of every stage home"):
        told = Counter(event.stage.key for event in events if event.stage is not None)
        promised(component, set(told) == set("abcd"), "loses events: 'tell' must hear all, in this process")
    with promise("computes on one thread, so that sums are those of every executor"):
        threads = {outcome.meta.get("threads") for outcome in outcomes}
        promised(component, threads == {1}, "lets torch compute on several threads: set_num_threads(1)")
    with promise("goes on when a stage fails or its worker dies"):
        _check_failures(component)


def _check_failures(component: Executor) -> None:
    """Check what becomes of a stage that fails, one that reads it, one whose worker dies, and a sound one."""
    stages = _stage("f", fail=True), _stage("g", of="f"), _stage("w", die=os.getpid()), _stage("s")
    outcomes, _ = _run(component, *stages)
    ends = {outcome.stage.key: outcome.status for outcome in outcomes}
    promised(component, ends.get("f") == "failed", "does not yield the outcome of a stage that failed")
    promised(component, "g" not in ends, "runs a stage whose input failed: ask frontier.ready() again after each yield")
    promised(component, ends.get("s") == "done", "stops when a stage fails: the others must go on")
    # in this process nobody dies; a worker that does gives an outcome
    promised(component, ends.get("w") in {"done", "failed"}, "says nothing of a stage whose worker died")


def _stage(key: str, *, of: str = "", **facts: object) -> Stage:
    return Stage("synthesize", facts, {"input": of} if of else {}, key, {}, f"stage {key}")


def _run(component: Executor, *stages: Stage) -> tuple[list[Outcome], list[Event]]:
    """Run stages as the runner does."""
    events: list[Event] = []
    outcomes: list[Outcome] = []
    known = {stage.key: stage for stage in stages}
    frontier = StageFrontier(known, set(known))
    for outcome in component.map(errand, frontier, events.append, "cpu"):
        frontier.settle(outcome)
        outcomes.append(outcome)
    return outcomes, events


@contextmanager
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
        with promise("leaves torch's threads as they were"):
            if torch.get_num_threads() != THREADS:
                raise AssertionError("torch computes on another number of threads in this process after the run")
    finally:
        torch.set_num_threads(before)
