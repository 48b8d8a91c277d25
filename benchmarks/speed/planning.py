"""How planning grows with the cells: ``python -m benchmarks.speed.planning``."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.speed.stopwatch import spent
from ddbench.benchmark import build, settings
from ddbench.plan import plan
from ddbench.registry import registry
from ddbench.types import Place

NOWHERE = Place(Path("data"), Path("cache"))  # digits lie in a package
_STUDENTS = "resnet18,resnet50,mobilenetv2,convnet,efficientnet"


def sweep(cells: int) -> dict[str, Any]:
    """Return a grid of so many cells, a multiple of ten: perturbations, ten ipc, students."""
    students = _STUDENTS if cells >= 50 else "resnet18"
    synth = [f"dwa[rho={(number + 1) / 1000}]" for number in range(max(1, cells // (10 * len(students.split(",")))))]
    return {"synth": synth, "ipc": "1-10", "eval": students, "seeds": "0"}


def measured(cells: int) -> dict[str, Any]:
    """Plan a sweep in this process, after a small one that loads every library."""
    small, grid = (build(settings(sweep(count), "{}")) for count in (50, cells))
    plan(small, registry(), NOWHERE)
    before = _peak()
    made = []
    time = spent(lambda: made.append(plan(grid, registry(), NOWHERE)))
    sizes = {"cells": len(made[0].trials), "stages": len(made[0].stages)}
    return {**sizes, "time": str(time), "libraries": before, "peak": _peak()}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@click.command()
@click.option("--cells", default="10,1000,100000", show_default=True)
@click.option("--here", is_flag=True, hidden=True)
def main(cells: str, here: bool) -> None:
    """Print a row for each number of cells, each planned in a process of its own."""
    if here:
        print(json.dumps(measured(int(cells))))
        return
    print("| cells | stages | time (of the processor) | peak memory | of which libraries |")
    for count in cells.split(","):
        command = [sys.executable, "-m", "benchmarks.speed.planning", "--here", "--cells", count]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        memory = [f"{found[name] / 1e6:.0f} MB" for name in ("peak", "libraries")]
        print(f"| {found['cells']:,} | {found['stages']:,} | {found['time']} | {' | '.join(memory)} |", flush=True)


if __name__ == "__main__":
    main()
