"""``ddbench plan``."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench.cli.amounts import duration, size
from ddbench.cli.executor_options import ExecutorCommand
from ddbench.cli.long_json import written
from ddbench.cli.options import (
    chosen_benchmark,
    chosen_settings,
    grid_options,
    json_option,
    metrics_option,
    place_options,
    warn_of_broken_plugins,
)
from ddbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from rich.table import Table

    from ddbench.benchmark import Benchmark
    from ddbench.plan import Plan
    from ddbench.runner import Settings

LONGEST = 60  # lines of a table; of a longer plan, one line for all stages alike

UNKNOWN = "-"
WIDE = 100  # columns, from which memory is told stage by stage

Row = dict[str, Any]


@click.command(cls=ExecutorCommand)
@grid_options
@metrics_option
@place_options
@click.option(
    "--detect",
    type=click.FloatRange(min=0.001, max=100),
    metavar="POINTS",
    help="Tell how many seeds a difference of so many points of top-1 needs, from the spread of the results in --out.",
)
@json_option
def plan(benchmark: Path | None, detect: float | None, as_json: bool, **values: Any) -> int:
    """Show what 'run' would compute and what it would reuse, with an estimate of time, memory and disk; writes nothing.

    Times and memory are of one worker on this machine: measured where a stage like it is in the store; else time is
    probed by a few passes of each network, and memory reckoned from what these keep. A plan with a stage that does not
    fit in the device's memory is refused.
    """
    if detect is not None and math.isnan(detect):
        raise UserError("--detect nan is no difference: give points of top-1, such as 0.5")
    warn_of_broken_plugins()
    return show_plan(chosen_benchmark(benchmark, values), chosen_settings(values), as_json=as_json, points=detect)


def show_plan(chosen: Benchmark, settings: Settings, *, as_json: bool, points: float | None = None) -> int:
    """Plan and print; with ``points``, also how many seeds a difference of so many needs."""
    from ddbench.cli import detect
    from ddbench.runner import prepare

    planned = prepare(chosen, settings)
    rows = _rows(planned, settings)
    told = {"detect": detect.detect(planned, settings.out, points)} if points else {}
    if as_json:
        own = len(planned.trials) - planned.references
        trials = (
            {"evaluate": trial.evaluate, "stages": list(trial.keys), "reference": place >= own}
            for place, trial in enumerate(planned.trials)
        )
        sys.stdout.writelines(written({"trials": trials, "stages": rows, **told}))
    else:
        _print(planned, rows, detect.lines(told["detect"]) if told else ())
    return 0


def _rows(planned: Plan, settings: Settings) -> list[Row]:
    from rich.console import Console

    from ddbench.bench import require_device
    from ddbench.estimate import Estimate, estimate
    from ddbench.room import require_room
    from ddbench.runner import chosen_executor
    from ddbench.store import open_store

    require_device(settings.device)  # estimates are of this machine, wherever the executor's workers are
    store = open_store(settings.store)
    present = {key for _, key in store.present((stage.kind, key) for key, stage in planned.stages.items())}
    needed = planned.needed(lambda stage: stage.key in present)
    with Console(stderr=True).status("timing passes through networks"):
        estimates = estimate(planned, needed, store, settings.device)
    if not getattr(chosen_executor(settings), "elsewhere", False):
        require_room(planned, {key: told.memory for key, told in estimates.items()}, settings.device)

    def row(key: str) -> Row:
        stage = planned.stages[key]
        told = estimates.get(key) or Estimate(0.0, None, "measured")
        nbytes = store.artifact(stage.kind, key).nbytes if key in present else told.nbytes
        status = "missing" if key in needed else "reused"
        what = {"kind": stage.kind, "key": key, "status": status, "label": stage.label, "bytes": nbytes}
        grounds = (told.grounds, told.memory.grounds) if key in needed else (None, None)
        memory = {"memory": told.memory.peak, "memory_estimate": grounds[1]}
        return what | {"seconds": told.seconds, "estimate": grounds[0], **memory}

    return [row(key) for key in planned.stages]


def _print(planned: Plan, rows: list[Row], further: Iterable[str]) -> None:
    from rich.console import Console

    console = Console()
    table = _stages(rows) if len(rows) <= LONGEST else _kinds(rows)
    if console.width < WIDE:
        table.columns = [column for column in table.columns if column.header != "memory"]
    console.print(table)
    for line in (*_summary(planned, rows), *further):
        console.print(line, highlight=False)


def _stages(rows: Iterable[Row]) -> Table:
    from rich.markup import escape

    table = _table("stage", "what", "status", "key", "time", "memory", "disk")
    for row in rows:
        style = "green" if row["status"] == "reused" else "yellow"
        status = f"[{style}]{row['status']}[/]"
        table.add_row(row["kind"], escape(row["label"]), status, f"[dim]{row['key'][:12]}[/]", *_amounts([row]))
    return table


def _kinds(rows: Iterable[Row]) -> Table:
    """Return a line for all stages of one kind and one method or student, these told apart as far as lines suffice."""
    from rich.markup import escape

    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["kind"], _alike(row)), []).append(row)
    for coarser in _COARSER:
        if len(groups) > LONGEST:
            groups = _merged(groups, coarser)
    table = _table("stage", "what", "reused", "to compute", "time", "memory", "disk")
    for (kind, what), group in groups.items():
        count = Counter(row["status"] for row in group)
        table.add_row(kind, escape(what), str(count["reused"]), str(count["missing"]), *_amounts(group))
    return table


def _alike(row: Row) -> str:
    """Return what a stage's label says of the method, and of the student, without seeds and numbers of images."""
    method = row["label"].partition(" seed ")[0]
    _, _, student = row["label"].partition("student ")
    return f"{method}, student {student.partition(' seed ')[0]}" if student else str(method)


_COARSER: tuple[Callable[[str], str], ...] = (  # without parameters, then without ipc, then what is left
    lambda what: re.sub(r"\[.*?\](?=[ ,]|$)", "[...]", what),
    lambda what: re.sub(r" ipc \d+", "", what),
    lambda _: "all",
)


def _merged(
    groups: dict[tuple[str, str], list[Row]], coarser: Callable[[str], str]
) -> dict[tuple[str, str], list[Row]]:
    merged: dict[tuple[str, str], list[Row]] = {}
    for (kind, what), group in groups.items():
        merged.setdefault((kind, coarser(what)), []).extend(group)
    return merged


def _table(*columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        left = name in {"stage", "what", "status", "key"}
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=name != "what")
    return table


def _amounts(rows: list[Row]) -> tuple[str, str, str]:
    return _time(rows), _memory(rows), _disk(rows)


def _memory(rows: list[Row]) -> str:
    """Return the highest peak of stages to come, with a ~ where it is reckoned."""
    known = [row for row in rows if row["memory"] is not None]
    if not known:
        return UNKNOWN
    highest = max(known, key=lambda row: row["memory"])
    return f"{'~' if highest['memory_estimate'] == 'reckoned' else ''}{size(highest['memory'])}"


def _time(rows: list[Row]) -> str:
    seconds = [row["seconds"] for row in rows if row["status"] == "missing" and row["seconds"] is not None]
    return duration(sum(seconds)) if seconds else UNKNOWN


def _disk(rows: list[Row]) -> str:
    known = [row["bytes"] for row in rows if row["bytes"] is not None]
    return size(sum(known)) if sum(known) else UNKNOWN


def _summary(planned: Plan, rows: list[Row]) -> Iterable[str]:
    missing = [row for row in rows if row["status"] == "missing"]
    kinds = Counter(row["kind"] for row in missing)
    cells = len({trial.trial.cell for trial in planned.trials})
    yield (
        f"{cells} cells, {len(planned.trials)} trials, {len(rows)} stages: "
        f"{len(rows) - len(missing)} reused, {len(missing)} to compute"
    )
    if planned.references:
        yield f"{planned.references} of the trials are references, there for metrics to compare with"
    if not missing:
        return
    generators = f"{kinds['pretrain']} of generators, " if kinds["pretrain"] else ""
    yield f"trainings to come: {kinds['squeeze']} of teachers, {generators}{kinds['evaluate']} of students"
    grounds = Counter(row["estimate"] for row in missing)
    told = ", ".join(f"{grounds[name]} {text}" for name, text in _GROUNDS.items() if grounds[name])
    known = [row["seconds"] for row in missing if row["seconds"] is not None]
    time = f"about {duration(sum(known))} of one worker on this machine" if known else "time unknown"
    yield f"{time}, {_disk(missing)} of disk; stages: {told}"
    peaks = {kind: _memory([row for row in missing if row["kind"] == kind]) for kind in kinds}
    peaks = {kind: peak for kind, peak in peaks.items() if peak != UNKNOWN}
    if peaks:
        yield f"peak memory: {', '.join(f'{kind} {peak}' for kind, peak in peaks.items())} ({_MEMORY})"


_GROUNDS = {
    "measured": "like some measured before",
    "probed": "reckoned from passes timed just now",
    "unknown": "whose time is unknown",
}
_MEMORY = "~: reckoned from networks, a little too low; else measured before"
