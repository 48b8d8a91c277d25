"""``ddbench run``."""

from __future__ import annotations

import json
import shutil
import sys
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
    from pathlib import Path

    from ddbench.benchmark import Benchmark
    from ddbench.plan import Plan
    from ddbench.runner import Settings

SOME_FAILED = 3


@click.command(cls=ExecutorCommand)
@grid_options
@metrics_option
@place_options
@click.option("--dry-run", is_flag=True, help="Plan only: the same as 'ddbench plan'.")
@click.option(
    "--detach", is_flag=True, help="Leave once all stages are with Slurm; 'ddbench status' tells how far they are."
)
@click.option(
    "--print-config", is_flag=True, help="Print the benchmark as TOML, every parameter written out, and stop."
)
@click.option("--quiet", "-q", is_flag=True, help="Show the table only.")
@json_option
def run(
    benchmark: Path | None,
    dry_run: bool,
    detach: bool,
    print_config: bool,
    quiet: bool,
    as_json: bool,
    **values: Any,
) -> int:
    """Run a benchmark: a TOML file, options, or both (options win).

    What was computed before is reused; 'ddbench run' again computes just what is missing or failed.
    """
    chosen, settings = chosen_benchmark(benchmark, values), chosen_settings(values)
    warn_of_broken_plugins()
    if print_config:
        return print_settings(chosen, settings)
    if dry_run:
        from ddbench.cli.plan import show_plan

        return show_plan(chosen, settings, as_json=as_json)
    if detach:
        return leave(chosen, settings, as_json=as_json)
    _, documents = compute(chosen, settings, quiet=quiet)
    show(documents, chosen, settings, as_json=as_json)
    return ending(documents)


def leave(chosen: Benchmark, settings: Settings, *, as_json: bool) -> int:
    """Hand the stages that are missing to workers that outlive this command; returns the exit code."""
    from ddbench.detached import hand_over, missing
    from ddbench.runner import prepare

    stages = missing(prepare(chosen, settings), settings)
    submitted = hand_over(stages, settings)
    if as_json:
        click.echo(json.dumps({"missing": len(stages), "submitted": submitted}, indent=1))
        return 0
    click.echo(
        f"{submitted} stages submitted, {len(stages) - submitted} under way before; 'ddbench status' with the same "
        "options tells how far they are, 'ddbench run' without --detach shows the results"
    )
    return 0


def print_settings(chosen: Benchmark, settings: Settings) -> int:
    """Print a benchmark as TOML, every parameter written out; returns the exit code."""
    from ddbench.plan import written_out
    from ddbench.registry import registry

    click.echo(to_toml(written_out(chosen, registry(), settings.place)), nl=False)
    return 0


def ending(documents: list[dict[str, Any]]) -> int:
    """Return the exit code of a run that came to these documents."""
    return SOME_FAILED if any(document["status"] == "failed" for document in documents) else 0


def compute(chosen: Benchmark, settings: Settings, *, quiet: bool) -> tuple[Plan, list[dict[str, Any]]]:
    """Plan a benchmark and run what is missing of it, showing how far it is; returns plan and results."""
    from ddbench.cli.display import listening
    from ddbench.runner import execute, prepare

    with listening(quiet=quiet):
        plan = prepare(chosen, settings)
        return plan, execute(plan, settings)


def show(documents: list[dict[str, Any]], chosen: Benchmark, settings: Settings, *, as_json: bool, **more: Any) -> None:
    """Print the tables of a run, or one JSON document with ``more`` beside the trials."""
    from ddbench import frames
    from ddbench.metrics import scored, values
    from ddbench.registry import registry
    from ddbench.rows import row
    from ddbench.spec import Spec
    from ddbench.types import RenderTask

    frame, metrics = scored(frames.frame(documents), chosen.metrics, chosen.select)
    if as_json:
        told = values(frame, metrics)
        trials = [row(found) | numbers for found, numbers in zip(documents, told, strict=True)]
        click.echo(json.dumps({"out": str(settings.out), **more, "trials": trials}, indent=1))
        return
    reporter = registry().resolve("reporter", Spec("rich")).component
    width = shutil.get_terminal_size((100, 24)).columns
    task = RenderTask(frame, width, sys.stdout.isatty(), metrics=metrics, select=chosen.select)
    click.echo(reporter.render(task), nl=False)
    click.echo(f"{len(documents)} result files in {settings.out}{'' if str(settings.out).endswith('/') else '/'}")


def to_toml(chosen: Benchmark) -> str:
    """Return a benchmark as a TOML file that 'ddbench run' reads."""
    document = chosen.document()
    tables = [(name, table) for name in ("grid", "reported") for table in document.pop(name, [])]
    lines = _pairs(document)
    for name, table in tables:
        lines += ["", f"[[{name}]]", *_pairs(table)]
    return "\n".join(lines) + "\n"


def _pairs(table: dict[str, Any]) -> list[str]:
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
