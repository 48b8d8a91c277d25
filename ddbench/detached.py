"""Runs that go on without this process: stages are handed over, and asked after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ddbench import results
from ddbench.errors import UserError
from ddbench.runner import assignment, chosen_executor
from ddbench.store import open_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddbench.plan import Plan
    from ddbench.runner import Settings
    from ddbench.types import Stage

State = Literal["done", "running", "waiting", "failed", "missing"]
STATES: tuple[State, ...] = ("done", "running", "waiting", "failed", "missing")
"""``waiting`` has been handed over and not begun; ``missing`` has not been handed over, or by another executor."""


@dataclass(frozen=True, slots=True)
class StageState:
    """What has become of a stage. ``error`` is one line, where it failed."""

    stage: Stage
    state: State
    error: str = ""


def missing(plan: Plan, settings: Settings) -> list[Stage]:
    """Return the stages of a plan that are yet to be computed, inputs before those who read them."""
    stages = plan.stages.values()
    present = open_store(settings.store).present((stage.kind, stage.key) for stage in stages)
    needed = plan.needed(lambda stage: (stage.kind, stage.key) in present)
    return [stage for key, stage in plan.stages.items() if key in needed]


def hand_over(stages: list[Stage], settings: Settings) -> int:
    """Hand stages to workers that outlive this process; returns how many were not under way already.

    Raises:
        UserError: the executor has no such workers.
    """
    executor = chosen_executor(settings)
    if not hasattr(executor, "submit"):
        raise UserError(
            f"the workers of executor '{settings.executor.name}' end with this command: use --executor slurm, or keep "
            "the command running (tmux, nohup)"
        )
    return int(executor.submit(assignment(settings), stages))


def states(plan: Plan, settings: Settings) -> list[StageState]:
    """Tell of every stage of a plan what has become of it: from the store, the executor, locks and result files."""
    left = missing(plan, settings)
    executor, near = chosen_executor(settings), open_store(settings.store).near
    told = executor.standing(left) if hasattr(executor, "standing") else {}
    failed = _failed(plan, settings)
    unknown = {stage.key for stage in left}

    def state(stage: Stage) -> StageState:
        if stage.key not in unknown:
            return StageState(stage, "done")
        if near.is_locked(stage.key):
            return StageState(stage, "running")
        if stage.key in told:
            return StageState(stage, told[stage.key].status, told[stage.key].error)
        error = failed.get(stage.key, "")
        return StageState(stage, "failed" if error else "missing", error)

    return [state(stage) for stage in plan.stages.values()]


def _failed(plan: Plan, settings: Settings) -> Mapping[str, str]:
    """Return the errors of students by key, as an earlier run wrote them into result files."""
    paths = {each.evaluate: results.path_of(settings.out, each.trial, each.evaluate) for each in plan.trials}
    found = {key: results.read(path) for key, path in paths.items() if path.is_file()}
    return {key: document["error"] for key, document in found.items() if document["status"] == "failed"}
