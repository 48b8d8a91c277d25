from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ddbench.frontier import StageFrontier
from ddbench.types import Outcome, Stage

if TYPE_CHECKING:
    from collections.abc import Collection

# squeeze t; images a and b from it, c without; labels from a and b; exams x from labels and t, y from c
EDGES = {"t": "", "a": "t", "b": "t", "c": "", "l": "ab", "x": "lt", "y": "c"}
STAGES = {key: Stage("evaluate", {}, {given: given for given in EDGES[key]}, key, {}, key) for key in EDGES}


def frontier(needed: Collection[str] = tuple(EDGES)) -> StageFrontier:
    return StageFrontier(STAGES, needed)


def ready(asked: StageFrontier) -> str:
    return "".join(stage.key for stage in asked.ready())


def end(asked: StageFrontier, *keys: str, error: str = "") -> None:
    for key in keys:
        asked.settle(Outcome(STAGES[key], "failed" if error else "done", error=error))


def skipped(asked: StageFrontier) -> dict[str, str]:
    assert all(outcome.status == "skipped" for outcome in asked.skipped)
    return {outcome.stage.key: outcome.error for outcome in asked.skipped}


def test_stages_become_ready_when_their_inputs_are_there_each_once_and_in_order() -> None:
    asked = frontier()
    assert ready(asked) == "tc"
    assert ready(asked) == ""
    end(asked, "t")
    assert ready(asked) == "ab"
    end(asked, "a", "c")
    assert ready(asked) == "y"
    end(asked, "b")
    assert ready(asked) == "l"
    end(asked, "l", "y")
    assert ready(asked) == "x"
    assert asked
    end(asked, "x")
    assert not asked
    assert skipped(asked) == {}


def test_it_is_not_over_while_a_stage_runs() -> None:
    asked = frontier(["c"])
    assert asked
    assert ready(asked) == "c"
    assert asked
    end(asked, "c")
    assert not asked


def test_nothing_needed_is_nothing_to_do() -> None:
    asked = frontier([])
    assert not asked
    assert ready(asked) == ""


def test_inputs_that_are_not_needed_are_there_already() -> None:
    asked = frontier(["l", "x"])
    assert ready(asked) == "l"
    end(asked, "l")
    assert ready(asked) == "x"


def test_what_reads_a_failed_stage_is_skipped_however_far_behind_and_the_rest_goes_on() -> None:
    asked = frontier()
    assert ready(asked) == "tc"
    end(asked, "t", error="no memory")
    end(asked, "c")
    assert ready(asked) == "y"
    assert skipped(asked) == dict.fromkeys("ablx", "no memory")
    end(asked, "y")
    assert not asked


def test_a_stage_with_one_failed_input_waits_for_the_other_and_is_skipped() -> None:
    asked = frontier(["a", "b", "l", "x"])
    assert ready(asked) == "ab"
    end(asked, "a", error="broken")
    assert ready(asked) == ""
    assert skipped(asked) == {}
    end(asked, "b")
    assert ready(asked) == ""
    assert skipped(asked) == dict.fromkeys("lx", "broken")
    assert not asked


def test_a_skipped_outcome_is_kept_once() -> None:
    asked = frontier(["a", "l", "x"])
    assert ready(asked) == "a"
    end(asked, "a", error="broken")
    for _ in range(3):
        assert ready(asked) == ""
    assert [outcome.stage.key for outcome in asked.skipped] == ["l", "x"]


def test_a_reused_stage_can_be_declared_useless_to_those_who_would_read_it() -> None:
    asked = frontier(["a", "b", "c", "l", "x", "y"])
    asked.fail("t", "scores at chance")
    assert ready(asked) == "c"
    assert skipped(asked) == dict.fromkeys("ablx", "scores at chance")
    end(asked, "c")
    assert ready(asked) == "y"


def test_a_stage_that_ended_well_can_be_declared_useless_too() -> None:
    asked = frontier()
    assert ready(asked) == "tc"
    end(asked, "t")
    asked.fail("t", "scores at chance")
    assert ready(asked) == ""
    assert skipped(asked) == dict.fromkeys("ablx", "scores at chance")


def test_a_reused_outcome_frees_what_reads_it() -> None:
    asked = frontier(["t", "a"])
    assert ready(asked) == "t"
    asked.settle(Outcome(STAGES["t"], "reused"))
    assert ready(asked) == "a"


def test_an_outcome_of_a_stage_that_was_not_handed_out_is_refused() -> None:
    asked = frontier()
    with pytest.raises(ValueError, match="not passed out"):
        end(asked, "x")
