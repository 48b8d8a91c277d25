"""A run that was never made: its plan on the toys, the result files that it would have written, and its events.

For tests of what looks at results or hears of them: reporters, metrics, listeners. Numbers are made up.
"""

from __future__ import annotations

import functools
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbench import benchmark as grids
from ddbench import frames, results
from ddbench.keys import digest
from ddbench.plan import plan as make_plan
from ddbench.plugins import GROUP, assemble
from ddbench.registry import Registry
from ddbench.types import Event, Outcome, Place

if TYPE_CHECKING:
    import pandas as pd

    from ddbench.plan import Plan
    from ddbench.types import Stage

GRID = {
    "name": "story",
    "dataset": ["toy"],
    "teacher": ["toy-teacher"],
    "synth": ["toy-synth", "toy-synth[noise=20.0]"],
    "ipc": [2],
    "labels": ["toy-labels"],
    "evaluator": ["toy-exam"],
    "eval": ["toy-net", "toy-net[width=4]"],
    "seeds": [0, 1],
}
FAILURE = "RuntimeError: told to fail"


@functools.cache
def plan() -> Plan:
    """Return the plan: two methods, two students, two seeds."""
    known = Registry(assemble([EntryPoint("toys", "ddbench.testing.toys", GROUP)]))
    chosen = grids.build(grids.settings(GRID, "'{}'"))
    return make_plan(chosen, known, Place(Path("data"), Path("data")))


def documents() -> list[dict[str, Any]]:
    """Return the result files of all trials, the last of which failed."""
    planned, metas = plan(), {key: _meta(stage) for key, stage in plan().stages.items()}
    done, failed = {"status": "done", "error": ""}, {"status": "failed", "error": FAILURE}
    made = [results.document(planned, trial, metas, done) for trial in planned.trials[:-1]]
    last = planned.trials[-1]
    rest = {key: meta for key, meta in metas.items() if key != last.evaluate}
    return [*made, results.document(planned, last, rest, failed)]


def frame() -> pd.DataFrame:
    """Return the frame of all trials."""
    return frames.frame(documents())


def events() -> list[Event]:
    """Return what listeners would hear, in order: every kind of event, and an outcome that failed."""
    stages = list(plan().stages.values())
    told = [Event("run-started", None, {"stages": stages, "needed": {stage.key for stage in stages}})]
    for stage in stages:
        told += [Event("stage-started", stage), *_progress(stage), _finished(stage, failed=stage is stages[-1])]
    told.append(Event("warning", stages[0], {"message": "the file [x] is corrupt; it will be computed anew"}))
    told += [Event("trial-finished", None, {"result": document}) for document in documents()]
    return [*told, Event("run-finished", None, {"results": documents()})]


def _progress(stage: Stage) -> list[Event]:
    numbers = {"loss": 1.5, "top1": 40.0} if stage.kind == "evaluate" else {}
    return [Event("stage-progress", stage, {"done": done, "total": 10, **numbers}) for done in (0, 5, 10)]


def _finished(stage: Stage, *, failed: bool) -> Event:
    outcome = Outcome(stage, "failed", {}, FAILURE) if failed else Outcome(stage, "done", _meta(stage))
    return Event("stage-finished", stage, {"outcome": outcome})


def _meta(stage: Stage) -> dict[str, Any]:
    """Return what the store would keep beside an artifact; accuracies differ from stage to stage."""
    top1 = 60.0 + int(stage.key[:6], 16) % 300 / 10
    curve = [{"epoch": epoch, "loss": 2.0 / epoch, "top1": top1 - 10 + 5 * epoch} for epoch in (1, 2)]
    scores = {"top1": top1, "top5": 100.0, "loss": 1.0}
    result: dict[str, Any] = {
        "squeeze": {**scores, "bytes": 4000},
        "synthesize": {"bytes": 192, "images": 3},
        "relabel": {"bytes": 24},
        "evaluate": {**scores, "top1_best": top1, "curve": curve},
    }
    cost = {"seconds": 1.5, "peak_memory_bytes": 10**8, "device": "cpu", "forward_images": 60, "backward_images": 30}
    return {
        "kind": stage.kind,
        "key": stage.key,
        "facts": stage.facts,
        "inputs": stage.inputs,
        "result": result[stage.kind],
        "cost": cost,
        "environment": {"device": "cpu", "python": "3"},
        "sources": {"ddbench": digest("made up")},
        "started_at": "2026-01-01T00:00:00+00:00",
    }
