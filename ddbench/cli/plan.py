"""``ddbench plan``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench.cli.options import (
    chosen_benchmark,
    chosen_settings,
    grid_options,
    json_option,
    place_options,
    warn_of_broken_plugins,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ddbench.benchmark import Benchmark
    from ddbench.plan import Plan
    from ddbench.runner import Settings
    from ddbench.store import Store
    from ddbench.types import Stage


@click.command()
@grid_options
@place_options
@json_option
def plan(benchmark: Path | None, as_json: bool, **values: Any) -> int:
    """Show what 'run' would compute and what it would reuse, with keys and bytes; computes and writes nothing."""
    warn_of_broken_plugins()
    return show_plan(chosen_benchmark(benchmark, values), chosen_settings(values), as_json=as_json)


def show_plan(chosen: Benchmark, settings: Settings, *, as_json: bool) -> int:
    """Plan and print."""
    from ddbench.runner import prepare
    from ddbench.store import Store

    planned = prepare(chosen, settings)
    rows = _rows(planned, Store(settings.store))
    if as_json:
        trials = [{"evaluate": trial.evaluate, "stages": list(trial.keys)} for trial in planned.trials]
        click.echo(json.dumps({"trials": trials, "stages": rows}, indent=1))
    else:
        _print(planned, rows)
    return 0


def _rows(planned: Plan, store: Store) -> list[dict[str, Any]]:
    present = {key for key, stage in planned.stages.items() if store.has(stage.kind, key)}
    needed = planned.needed(lambda stage: stage.key in present)
    return [
        {
            "kind": stage.kind,
            "key": key,
            "status": "missing" if key in needed else "reused",
            "label": stage.label,
            "bytes": store.artifact(stage.kind, key).nbytes if key in present else _estimate(stage),
        }
        for key, stage in planned.stages.items()
    ]


def _estimate(stage: Stage) -> int | None:
    """Return the bytes that a missing stage will store, where that is known beforehand: of images."""
    if stage.kind != "synthesize":
        return None
    data = stage.facts["data"]
    return int(stage.facts.get("ipc", 1) * data["num_classes"] * (data["channels"] * data["image_size"] ** 2 + 8))


def _print(planned: Plan, rows: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, style in (("stage", ""), ("what", ""), ("status", ""), ("key", "dim"), ("bytes", "")):
        table.add_column(name, style=style, justify="right" if name == "bytes" else "left")
    for row in rows:
        style = "green" if row["status"] == "reused" else "yellow"
        amount = "-" if row["bytes"] is None else f"{row['bytes']:,}"
        table.add_row(row["kind"], escape(row["label"]), f"[{style}]{row['status']}[/]", row["key"][:12], amount)
    console = Console()
    console.print(table)
    missing = sum(row["status"] == "missing" for row in rows)
    console.print(
        f"{len(planned.trials)} trials, {len(rows)} stages: {len(rows) - missing} reused, {missing} to compute",
        highlight=False,
    )
