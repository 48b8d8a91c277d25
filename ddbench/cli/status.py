"""``ddbench status``."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench.cli.executor_options import ExecutorCommand
from ddbench.cli.options import (
    chosen_benchmark,
    chosen_settings,
    grid_options,
    json_option,
    metrics_option,
    place_options,
    warn_of_broken_plugins,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ddbench.detached import StageState

SOME_FAILED = 3
_NAMED = 20  # stages that run, and failures, that are told one by one


@click.command(cls=ExecutorCommand)
@grid_options
@metrics_option
@place_options
@json_option
def status(benchmark: Path | None, as_json: bool, **values: Any) -> int:
    """Tell how far a run is that was left with '--detach', or that another terminal shows; give the same options.

    Ends with 3 if a stage has failed. 'ddbench run' with the same options takes up what is under way, computes what is
    missing or failed, and writes the results.
    """
    from ddbench.detached import states
    from ddbench.runner import prepare

    warn_of_broken_plugins()
    settings = chosen_settings(values)
    found = states(prepare(chosen_benchmark(benchmark, values), settings), settings)
    if as_json:
        stages = [
            {"kind": each.stage.kind, "key": each.stage.key, "label": each.stage.label, "status": each.state}
            | ({"error": each.error} if each.error else {})
            for each in found
        ]
        click.echo(json.dumps({"counts": _counts(found), "stages": stages}, indent=1))
    else:
        _print(found)
    return SOME_FAILED if any(each.state == "failed" for each in found) else 0


def _counts(found: Iterable[StageState]) -> dict[str, int]:
    from ddbench.detached import STATES

    counted = Counter(each.state for each in found)
    return {state: counted[state] for state in STATES}


def _print(found: list[StageState]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    counts = _counts(found)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("stage", *counts):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for kind in dict.fromkeys(each.stage.kind for each in found):
        row = _counts(each for each in found if each.stage.kind == kind)
        table.add_row(kind, *(str(count) if count else "-" for count in row.values()))
    console = Console()
    console.print(table)
    for line in (*_named(found, "running"), *_named(found, "failed")):
        console.print(line, highlight=False, markup=False)
    left = ", ".join(f"{count} {state}" for state, count in counts.items() if count and state != "done")
    end = left or "'ddbench run' with the same options shows the results"
    console.print(f"{counts['done']} of {len(found)} stages done; {end}", highlight=False)


def _named(found: list[StageState], state: str) -> list[str]:
    chosen = [each for each in found if each.state == state]
    lines = [f"{state}: {each.stage.label}{f': {each.error}' * bool(each.error)}" for each in chosen[:_NAMED]]
    return lines + ([f"{state}: {len(chosen) - _NAMED} more"] if len(chosen) > _NAMED else [])
