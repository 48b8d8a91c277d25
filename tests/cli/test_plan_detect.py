"""``ddbench plan --detect``: how many seeds a difference needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ddbench import frames
from ddbench.regression.intervals import repeats

Call = Callable[..., Any]


@pytest.fixture
def plan(command: Call, toys: list[str]) -> Call:
    """Return a function that plans the run of the toys."""
    return lambda *options: command("plan", *toys, *options)


def test_what_was_seen_tells_how_many_seeds_a_difference_needs(run: Call, plan: Call) -> None:
    assert run("--seeds", "0-3", "--synth-seeds", "0-1").code == 0

    told = plan("--detect", "0.5", "--json").document["detect"]

    groups = frames.load("results").groupby("synthesis_seed")["top1"]
    within = float((groups.var() * 3).sum() / 6) ** 0.5
    assert told["std_of_trainings"] == pytest.approx(within)
    assert (told["points"], told["degrees_of_freedom"], told["unseen"]) == (0.5, 6, [])
    assert told["seeds"] == repeats(0.5, within)
    assert told["trainings_per_distillation"] == 2
    assert told["synthesis_seeds"] >= 2
    text = plan("--detect", "0.5").out
    assert f"{told['seeds']} evaluation seeds" in text
    assert f"{told['synthesis_seeds']} synthesis seeds with 2 trainings each" in " ".join(text.split())


def test_what_was_never_seen_is_said(run: Call, plan: Call) -> None:
    unknown = plan("--detect", "0.5")
    assert unknown.code == 0
    assert "evaluation seeds: unknown" in unknown.out

    assert run("--seeds", "0-2").code == 0
    told = plan("--detect", "0.5", "--ipc", "2,1", "--json").document["detect"]
    assert told["unseen"] == ["toy, toy-teacher, toy-synth, 1, toy-labels, toy-exam, toy-net"]
    assert told["synthesis_seeds"] is None
    text = " ".join(plan("--detect", "0.5", "--ipc", "2,1").out.split())
    assert "never seen twice: toy, toy-teacher, toy-synth, 1, toy-labels" in text


@pytest.mark.parametrize("points", ["0", "-1", "x", "nan", "inf", "1e-300"])
def test_a_difference_is_a_number_of_points(plan: Call, points: str) -> None:
    ended = plan("--detect", points)

    assert (ended.code, len(ended.err.splitlines())) == (2, 1)


def test_without_the_option_nothing_is_told(plan: Call) -> None:
    assert "detect" not in plan("--json").document
