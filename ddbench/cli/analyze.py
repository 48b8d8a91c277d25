"""``ddbench analyze``."""

from __future__ import annotations

import json
import shlex
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench.cli.options import (
    chosen_benchmark,
    chosen_settings,
    given_options,
    grid_options,
    json_option,
    source_options,
    warn_of_broken_plugins,
)
from ddbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ddbench.analysis import DistilledSet, Finding
    from ddbench.benchmark import Benchmark
    from ddbench.registry import Resolved
    from ddbench.runner import Settings
    from ddbench.spec import Spec

    Wanted = dict[Spec, Resolved]

NOTHING = 4
SOME_FAILED = 3
_NAMED = 6  # sets that a line names before it only counts the rest


@click.command()
@grid_options
@source_options
@click.option("--diagnostics", help="Diagnostics: 'vendi,density-coverage[k=3]' [default: all].")
@click.option("--figures", type=click.Path(path_type=Path, file_okay=False), help="Folder to draw into: PNG and SVG.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Table to write: .parquet, .csv, .json."
)
@json_option
def analyze(benchmark: Path | None, diagnostics: str | None, as_json: bool, **values: Any) -> int:
    """Look at the distilled sets that 'run' has stored: their diversity, copies of real images, the teacher's view.

    The grid is that of 'run', so that its options serve as they are; those of students and --teacher-floor play no
    part. Nothing is distilled or trained: sets that are not in the store are named and left out.
    """
    figures, output = values.pop("figures"), values.pop("output")
    chosen, settings = chosen_benchmark(benchmark, values), chosen_settings(values)
    warn_of_broken_plugins()
    wanted = _wanted(diagnostics, drawing=figures is not None)
    _require_places(figures, output)
    sets, absent = _sets(chosen, settings, wanted)
    command = shlex.join(["ddbench", "run", *([str(benchmark)] if benchmark else []), *given_options(values)])
    if absent:
        start = "Not in the store, left out" if sets else "Error: nothing to look at; the store lacks"
        click.echo(f"{start}: {_names(absent)}; to make what is missing: {command}", err=True)
    if not sets:
        return NOTHING
    findings, drawn = _look(sets, wanted, settings, figures)
    _tell(findings, drawn, output, as_json=as_json)
    return SOME_FAILED if any(finding.error for finding in findings) else 0


def _wanted(text: str | None, *, drawing: bool) -> Wanted:
    """Return the diagnostics that were named, or all; one that only draws needs a folder for it."""
    from ddbench.registry import registry
    from ddbench.spec import Spec

    known = registry()
    named = Spec.parse_list(text) if text else [Spec(entry.name) for entry in known.entries("diagnostic")]
    wanted = {spec: known.resolve("diagnostic", spec) for spec in named}
    idle = [spec for spec, each in wanted.items() if not drawing and not hasattr(each.component, "measure")]
    if text and idle:
        raise UserError(f"diagnostic '{idle[0]}' only draws: name a folder by --figures")
    return {spec: each for spec, each in wanted.items() if spec not in idle}


def _require_places(figures: Path | None, output: Path | None) -> None:
    """Refuse what could not be written in the end, before anything is computed."""
    from ddbench.store import require_writable

    if figures is not None:
        from ddbench.cli.figures import require_matplotlib

        require_matplotlib()
        require_writable(figures, "the figures folder", "--figures")
    if output is not None:
        from ddbench.exports import SUFFIXES

        if output.suffix not in SUFFIXES:
            raise UserError(f"--output {output}: expected a name that ends in {', '.join(SUFFIXES)}")
        require_writable(output.parent, "the folder", "--output")


def _sets(chosen: Benchmark, settings: Settings, wanted: Wanted) -> tuple[list[DistilledSet], list[DistilledSet]]:
    """Return the sets of the grid that the store has, with the teacher if one is asked, and those that it lacks."""
    from ddbench.analysis import distilled_sets, is_stored
    from ddbench.bench import require_device
    from ddbench.plan import plan
    from ddbench.registry import registry
    from ddbench.store import open_store

    require_device(settings.device)
    sets = distilled_sets(plan(chosen, registry(), settings.place))
    asking = [spec for spec, each in wanted.items() if type(each.component).uses_teacher]
    if asking and not all(each.teacher for each in sets):
        raise UserError(f"diagnostic '{asking[0]}' asks a teacher, and nothing in this grid does: add --labels online")
    store = open_store(settings.store)
    stored = [each for each in sets if is_stored(each, store, teacher=bool(asking))]
    return stored, [each for each in sets if each not in stored]


def _names(sets: list[DistilledSet]) -> str:
    named = [f"{each.name} ({each.cell.dataset}, {each.cell.teacher})" for each in sets[:_NAMED]]
    return ", ".join(named) + (f" and {len(sets) - _NAMED} more" if len(sets) > _NAMED else "")


def _look(
    sets: list[DistilledSet], wanted: Wanted, settings: Settings, folder: Path | None
) -> tuple[list[Finding], list[Path]]:
    """Look at every set; figures are written as they come."""
    from ddbench.analysis import analyze
    from ddbench.bench import Context
    from ddbench.cli.figures import plain_style, save

    context = Context(settings.store, settings.place, settings.device)
    findings: list[Finding] = []
    drawn: list[Path] = []
    with _progress(len(sets) * len(wanted)) as (step, tell), plain_style() if folder else nullcontext():
        for finding in analyze(sets, list(wanted), context, tell, figures=folder is not None):
            findings.append(finding)
            step(finding)
            if folder and finding.verb != "measure" and finding.outcome is not None:
                drawn += save(finding, folder)
    return findings, drawn


@contextmanager
def _progress(total: int) -> Iterator[tuple[Callable[[Finding], None], Callable[..., None]]]:
    """Draw bars on a terminal's stderr; yields what tells of a finding, and what tells of the progress of the next."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        every, one = bars.add_task("diagnostics", total=total), bars.add_task("", total=None)

        def step(finding: Finding) -> None:
            bars.update(every, advance=finding.verb == "measure")
            bars.reset(one, total=None, description=f"after {finding.diagnostic}")
            if finding.error:
                what = f"{finding.diagnostic} of {finding.looked_at.name}"
                console.print(f"failed: {what}: {finding.error}", markup=False, highlight=False, soft_wrap=True)

        def tell(done: int, total: int, **numbers: float) -> None:  # noqa: ARG001 - a diagnostic may tell any number
            bars.update(one, completed=done, total=total)

        yield step, tell


def _tell(findings: list[Finding], drawn: list[Path], output: Path | None, *, as_json: bool) -> None:
    """Write the table where that is asked, and print it."""
    from ddbench import exports
    from ddbench.analysis import document, frame
    from ddbench.cli.measures import show

    measures = frame(findings)
    if output is not None:
        exports.write(measures, output)
    if as_json:
        figures = [str(path) for path in drawn]
        click.echo(json.dumps({"measures": document(measures), "figures": figures}, indent=1))
        return
    show(measures)
    if output is not None:
        click.echo(f"table: {output}")
    if drawn:
        click.echo(f"figures: {len(drawn)} files, the last of them {drawn[-1]}")
