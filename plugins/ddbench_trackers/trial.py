"""What trackers are sent of a trial."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

SEEDS = ("synthesis_seed", "evaluation_seed")


@dataclass(frozen=True)
class Trial:
    """A trial as trackers show it.

    Attributes:
        name: of its run: student and seeds.
        group: its cell, of which every trial is one run.
        identifier: 16 hexadecimal digits that tell it from all others, and a failure from a later success.
        config: its coordinates, specs as text, and how it was computed.
        curves: by name, a number after each epoch.
        numbers: accuracies in percent, costs in seconds and bytes, under the names that ``ddbench.load`` gives them.
        tags: words to find it by.
        error: why it failed, in one line; empty where it did not.
    """

    name: str
    group: str
    identifier: str
    config: Mapping[str, str | int]
    curves: Mapping[str, list[tuple[int, float]]] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    error: str = ""


class Tracker(Protocol):
    """Where trials are sent. Sending one again must leave it as it is."""

    def send(self, trial: Trial) -> None:
        """Send one trial; may raise, and may take its time."""
        ...


def trial_of(result: Mapping[str, Any]) -> Trial:
    """Return what is sent of a result file."""
    coordinates = dict(result["trial"])
    cell = {name: str(value) for name, value in coordinates.items() if name not in SEEDS}
    cell["ipc"] = f"ipc{cell['ipc']}"
    seeds = "-".join(f"{name.partition('_')[0]}{coordinates[name]}" for name in SEEDS)
    told = json.dumps([coordinates, result["key"], result["status"]], sort_keys=True)
    done = result["status"] == "done"
    return Trial(
        name=f"{coordinates['architecture']} {seeds}",
        group=" ".join(cell.values()),
        identifier=hashlib.sha256(told.encode()).hexdigest()[:16],
        config=coordinates | {"benchmark": result["benchmark"], "key": result["key"]},
        curves=_curves(result["measures"]["curve"]) if done else {},
        numbers=_numbers(result) if done else {},
        tags=(cell["dataset"], cell["synthesizer"].partition("[")[0], cell["ipc"], result["status"]),
        error=result["error"],
    )


def _curves(points: list[Mapping[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    every = {name: [(point["epoch"], point.get(name)) for point in points] for name in ("loss", "top1")}
    return {name: [(epoch, value) for epoch, value in curve if value is not None] for name, curve in every.items()}


def _numbers(result: Mapping[str, Any]) -> dict[str, float]:
    costs = result["costs"]
    found = {
        **{name: value for name, value in result["measures"].items() if isinstance(value, int | float)},
        "teacher_top1": (result["teacher"] or {}).get("top1"),
        **{f"{verb}_seconds": cost["seconds"] for verb, cost in costs.items()},
        "peak_memory_bytes": max((cost["peak_memory_bytes"] for cost in costs.values()), default=None),
        **{f"{name[:-1]}_bytes": value for name, value in result["bytes"].items()},
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def file_name(text: str) -> str:
    """Return a text as every file system takes it for a name."""
    return re.sub(r"[^\w.=,+-]+", "_", text).strip("_")[:150]
