"""``ddbench run``."""

from __future__ import annotations

import json
import shutil
import sys
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
    from ddbench.runner import Settings

SOME_FAILED = 3


@click.command()
@grid_options
@place_options
@click.option("--dry-run", is_flag=True, help="Plan only: the same as 'ddbench plan'.")
@click.option(
    "--print-config", is_flag=True, help="Print the benchmark as TOML, every parameter written out, and stop."
)
@click.option("--quiet", "-q", is_flag=True, help="Show the table only.")
@json_option
def run(benchmark: Path | None, dry_run: bool, print_config: bool, quiet: bool, as_json: bool, **values: Any) -> int:
    """Run a benchmark: a TOML file, options, or both (options win).

    What was computed before is reused; 'ddbench run' again computes just what is missing or failed.
    """
    chosen, settings = chosen_benchmark(benchmark, values), chosen_settings(values)
    warn_of_broken_plugins()
    if print_config:
        from ddbench.plan import written_out
        from ddbench.registry import registry

        click.echo(to_toml(written_out(chosen, registry(), settings.place)), nl=False)
        return 0
    if dry_run:
        from ddbench.cli.plan import show_plan

        return show_plan(chosen, settings, as_json=as_json)
    documents = _execute(chosen, settings, quiet=quiet)
    _show(documents, settings, as_json=as_json)
    return SOME_FAILED if any(document["status"] == "failed" for document in documents) else 0


def _execute(chosen: Benchmark, settings: Settings, *, quiet: bool) -> list[dict[str, Any]]:
    from ddbench.cli.display import display
    from ddbench.registry import registry
    from ddbench.runner import execute, prepare

    with display(quiet=quiet) as listener:
        plan = prepare(chosen, settings)
        manager = registry().plugins.manager
        manager.register(listener, name="display")
        try:
            return execute(plan, settings)
        finally:
            manager.unregister(name="display")


def _show(documents: list[dict[str, Any]], settings: Settings, *, as_json: bool) -> None:
    from ddbench import frames
    from ddbench.registry import registry
    from ddbench.spec import Spec
    from ddbench.types import RenderTask

    if as_json:
        click.echo(
            json.dumps({"out": str(settings.out), "trials": [frames.row(found) for found in documents]}, indent=1)
        )
        return
    reporter = registry().resolve("reporter", Spec("rich")).component
    width = shutil.get_terminal_size((100, 24)).columns
    click.echo(reporter.render(RenderTask(frames.frame(documents), width, sys.stdout.isatty())), nl=False)
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
