"""Stages that do not fit are refused before anything runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import torch

from ddbench import room
from ddbench.errors import UserError
from ddbench.estimate import Memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddbench.plan import Plan

REAL = {
    "dataset": "digits", "teacher": "train[architecture=convnet,epochs=3]", "labels": "hard", "evaluator": "standard",
    "eval": "convnet", "synth": "random", "ipc": 1,
}  # fmt: skip


def refused(plan: Plan, memory: Memory) -> str:
    with pytest.raises(UserError) as caught:
        room.require_room(plan, {next(iter(plan.stages)): memory}, "cpu")
    return str(caught.value)


def test_what_takes_more_than_there_is_is_refused_with_the_figure(
    planned: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "capacity", lambda place: 10**9)
    message = refused(planned(), Memory(3 * 10**9, 2 * 10**9, "reckoned"))
    assert "does not fit: it takes at least 2.0 GB" in message
    assert "a batch cut in two" in message
    assert "cpu has 1.0 GB; lower a batch_size" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "memory", [Memory(9, 4, "reckoned"), Memory(9, 9, "measured"), Memory()], ids=["halved", "seen", "unknown"]
)
def test_what_may_fit_is_not_refused(
    planned: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch, memory: Memory
) -> None:
    monkeypatch.setattr(room, "capacity", lambda place: 5)
    plan = planned()
    room.require_room(plan, dict.fromkeys(plan.stages, memory), "cpu")


def test_a_run_is_refused_before_anything_is_computed(
    planned: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(**REAL)
    room.require_room_to_run(plan, plan.stages, [], "cpu")
    monkeypatch.setattr(room, "capacity", lambda place: 1000)
    room.require_room_to_run(plan, plan.stages, [], "cpu")  # batches as small as these surely fit
    monkeypatch.setattr(room, "_SURELY_FITS", 0)
    with pytest.raises(UserError, match="does not fit"):
        room.require_room_to_run(plan, plan.stages, [], "cpu")
    room.require_room_to_run(plan, (), [], "cpu")


def test_the_processor_has_the_memory_of_the_machine_or_less() -> None:
    there = room.capacity(torch.device("cpu"))
    assert there is not None
    assert 2**28 < there <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert room.capacity(torch.device("meta")) is None
