"""``ddbench eval``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench.benchmark import NEAR_CHANCE, Grid
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
from ddbench.cli.run import compute, ending, print_settings, show
from ddbench.errors import UserError
from ddbench.plugins import one_line
from ddbench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ddbench.benchmark import Benchmark
    from ddbench.plan import Plan
    from ddbench.runner import Settings
    from ddbench.types import DatasetSpec

OF_METHODS = ("benchmark", "synth", "ipc", "synth_seeds")
"""Parameters of the grid that have no meaning where images are there already."""

_READING = ("layout", "classes", "pixels", "experiment", "resize", "convert", "verify")
_LOOK = Spec("teacher-accuracy")
_DOUBT = ", hardly more than by chance: are its classes in another order?"


@dataclass(frozen=True)
class FoundSet:
    """A set as it was found: its spec, what tables call it, what its ``survey`` says, and of how many classes it is."""

    synth: Spec
    shown: Spec
    survey: dict[str, Any]
    num_classes: int

    def grid(self, labels: Iterable[Spec]) -> Grid:
        """Return its row of the table; the labeler ``own`` learns where the set lies."""
        given = (each.with_params(images=str(self.synth)) if _lacks_images(each) else each for each in labels)
        return Grid(synth=(self.synth,), ipc=(self.survey["ipc"],), labels=tuple(given))


def _lacks_images(labels: Spec) -> bool:
    return labels.name == "own" and "images" not in labels.mapping()


@click.command("eval", cls=ExecutorCommand)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@grid_options
@metrics_option
@click.option(
    "--name", "names", multiple=True, help="What tables call the set, once for each PATH [default: its name]."
)
@click.option("--layout", help="sre2l, numbered, folder, tensors, parquet, webdataset [default: told from the files].")
@click.option("--classes", help="TOML or JSON file: which class each name in the set is [default: matched].")
@click.option("--pixels", help="Of tensors: uint8, unit, normalised [default: told from their range].")
@click.option("--experiment", type=int, help="Which experiment in a .pt file of DC or DM, from 0.")
@click.option("--resize", is_flag=True, default=None, help="Resize images of another size, instead of refusing them.")
@click.option("--convert", is_flag=True, default=None, help="Turn grey into colour and back, drop transparency.")
@click.option(
    "--no-check", "verify", flag_value=False, default=None, help="Take classes as they are, whatever the teacher sees."
)
@place_options
@click.option("--dry-run", is_flag=True, help="Plan only.")
@click.option("--print-config", is_flag=True, help="Print a benchmark for 'ddbench run' as TOML, and stop.")
@click.option("--quiet", "-q", is_flag=True, help="Show the table only.")
@json_option
def evaluate(
    paths: tuple[Path, ...], dry_run: bool, print_config: bool, quiet: bool, as_json: bool, **values: Any
) -> int:
    """Score distilled images that ddbench did not make, each PATH a row.

    A PATH is a folder with a folder a class (SRe2L, DWA, RDED, Minimax, ImageFolder), a .pt file of tensors (DC, DM,
    MTT), parquet, or WebDataset shards. Students are trained and tested as by 'run', whose options these are; the
    images per class are the set's own, and '--labels own' takes the soft labels that came with it. The teacher looks at
    the images first: classes in another order are refused, not scored.
    """
    settings, chosen = chosen_settings(values), chosen_benchmark(None, values)
    warn_of_broken_plugins()
    found = _found(_specs(paths, values), chosen, settings)
    chosen = replace(chosen, name="eval", grid=tuple(each.grid(chosen.labels) for each in found))
    if print_config:
        return print_settings(chosen, settings)
    if dry_run:
        from ddbench.cli.plan import show_plan

        return show_plan(chosen, settings, as_json=as_json)
    plan, documents = compute(chosen, settings, quiet=quiet)
    sets = [_told(each, _agreements(plan, settings)) for each in found]
    if not as_json:
        _print(sets, doubtful=100 * NEAR_CHANCE / found[0].num_classes)
    show(documents, chosen, settings, as_json=as_json, sets=sets)
    return ending(documents)


evaluate.params = [param for param in evaluate.params if param.name not in OF_METHODS]


def _specs(paths: tuple[Path, ...], values: dict[str, Any]) -> list[Spec]:
    """Return a spec of ``images`` for each path, with what was said of all of them."""
    names = values["names"]
    if names and len(names) != len(paths):
        raise UserError(f"--name is given {len(names)} times for {len(paths)} sets: name each, in their order, or none")
    said = {name: values[name] for name in _READING if values[name] is not None}
    named = [{"name": name} for name in names] or [{} for _ in paths]
    return [Spec.of("images", {**said, **name, "path": str(path)}) for path, name in zip(paths, named, strict=True)]


def _found(specs: list[Spec], chosen: Benchmark, settings: Settings) -> list[FoundSet]:
    """Look at each set.

    Raises:
        UserError: it cannot be read, or does not fit the data set; or two sets have one name.
    """
    from ddbench.planner import Planner
    from ddbench.registry import registry

    if len(chosen.dataset) > 1:
        raise UserError("--dataset: name one data set, that of which the images are")
    _, data = Planner(registry(), settings.place, chosen.precision).data(chosen.dataset[0])
    found = [_surveyed(spec, data) for spec in specs]
    name, count = Counter(str(each.shown) for each in found).most_common(1)[0]
    if count > 1:
        raise UserError(f"{count} sets are called {name}: tell them apart by --name, once for each PATH")
    return found


def _surveyed(spec: Spec, data: DatasetSpec) -> FoundSet:
    from ddbench.registry import registry

    resolved = registry().resolve("synthesizer", spec, data.recipe)
    try:
        return FoundSet(spec, resolved.shown, dict(resolved.component.survey(data)), data.num_classes)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{spec.mapping()['path']} cannot be read: {one_line(error)}") from error


def _agreements(plan: Plan, settings: Settings) -> dict[tuple[str, str], float]:
    """Return in how many percent of the images each teacher sees the class that they are labelled, by set and teacher.

    Sets that failed are not in the store and left out.
    """
    from ddbench.analysis import analyze, distilled_sets, is_stored
    from ddbench.bench import Context
    from ddbench.store import open_store

    store = open_store(settings.store)
    stored = [each for each in distilled_sets(plan) if is_stored(each, store, teacher=True)]
    once = {(str(each.cell.synthesizer), str(each.cell.teacher)): each for each in stored}
    context = Context(settings.store, settings.place, settings.device)
    findings = analyze(once.values(), [_LOOK], context, _tell_nobody, figures=False)
    return {name: finding.outcome["top1"] for name, finding in zip(once, findings, strict=True) if not finding.error}


def _tell_nobody(done: int, total: int, **numbers: float) -> None:
    """Let a look of seconds go without a bar."""


def _told(found: FoundSet, agreements: dict[tuple[str, str], float]) -> dict[str, Any]:
    shown = str(found.shown)
    agrees = {teacher: value for (name, teacher), value in agreements.items() if name == shown}
    return {"synthesizer": shown, **found.survey, "teacher_agreement": agrees}


def _print(sets: list[dict[str, Any]], doubtful: float) -> None:
    """Say of each set how it was read, and what the teacher thinks of its labels, doubtful below a percentage."""
    from rich.console import Console

    console = Console()
    for told in sets:
        soft = f"soft labels of its own that look like {told['soft_labels']}" if told["soft_labels"] else ""
        pixels = f"pixels {told['pixels']}" if told["pixels"] else ""
        read = (told["layout"], f"ipc {told['ipc']}", f"classes {told['classes']}", pixels, soft)
        agrees = [
            f"{name} agrees with {value:.1f} % of its labels{_DOUBT if value < doubtful else ''}"
            for name, value in told["teacher_agreement"].items()
        ] or ["not scored"]
        line = f"{told['synthesizer']}: {'; '.join([', '.join(filter(None, read)), *agrees])}"
        console.print(line, highlight=False, markup=False)
