"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click import get_current_context
from click.core import ParameterSource

from ddbench import benchmark as grids
from ddbench.location import location
from ddbench.types import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddbench.runner import Settings

    Command = Callable[..., Any]

_GRID = (
    "synth",
    "eval",
    "dataset",
    "ipc",
    "teacher",
    "labels",
    "evaluator",
    "seeds",
    "synth_seeds",
    "teacher_floor",
    "precision",
    "select",
)
_PLACE = ("out", "store", "data_root", "download", "device", "executor")


class _Store(click.Path):
    """A folder, or the URL of a store elsewhere."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        place = location(value)
        return super().convert(place, param, ctx) if isinstance(place, Path) else place


store_option = click.option(
    "--store",
    type=_Store(path_type=Path, file_okay=False),
    help="Folder or URL (s3://bucket/prefix) of computed stages [default: DDBENCH_STORE, else the user's cache "
    "folder].",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout, everything else on stderr."
)


def grid_options(command: Command) -> Command:
    """Add the options that say what is compared with what; every combination of their lists is a cell."""
    options = (
        click.argument("benchmark", type=click.Path(path_type=Path, dir_okay=False), required=False),
        click.option("--synth", help="Synthesizers: 'dwa[rho=0.02],sre2l' [default: dwa]."),
        click.option("--eval", help="Evaluation architectures [default: resnet50,mobilenetv2]."),
        click.option("--dataset", help="Data sets [default: digits]."),
        click.option("--ipc", help="Images per class: 10 or 1,10,50 [default: 10]."),
        click.option(
            "--teacher", help="Teachers: an architecture to train, or 'checkpoint[path=...]' [default: resnet18]."
        ),
        click.option("--labels", help="Labelers [default: online]."),
        click.option("--evaluator", help="Exams [default: standard]."),
        click.option("--seeds", help="Evaluation seeds: 0-4 or 0,7 [default: 0-2]."),
        click.option("--synth-seeds", help="Synthesis seeds [default: 0]."),
        click.option("--teacher-floor", type=float, help="Least top-1 in % of a teacher [default: 1.5 times chance]."),
        click.option("--precision", help="float32 or bfloat16 [default: float32]."),
        click.option(
            "--select",
            type=click.Choice(list(NUMBERS)),
            help="The epoch of a student that counts: the last, the best on the test split, or by a held-out tenth of "
            "the training set (val), which is kept from all but what comes in files from elsewhere [default: last].",
        ),
    )
    return _add(command, options)


metrics_option = click.option(
    "--metrics", help="Metrics beyond top-1: lrs,ior,'ars[weight=0.7]'; what they compare with is computed too."
)


def place_options(command: Command) -> Command:
    """Add the options that say where and how; none of them changes a number."""
    folder = click.Path(path_type=Path, file_okay=False)
    options = (
        click.option("--out", type=folder, default=Path("results"), show_default=True, help="Folder of result files."),
        source_options,
        click.option(
            "--executor",
            default="processes",
            show_default=True,
            help="Where stages run: serial, processes, ray, 'ray[address=auto]', slurm. Of slurm, --slurm-NAME VALUE "
            "sets a parameter, or an option of sbatch: --slurm-partition gpu.",
        ),
        click.option(
            "--gpus-per-stage",
            type=click.FloatRange(min=0),
            help="GPUs that a stage asks of ray or slurm; with ray, 0.25 lets four share one.",
        ),
    )
    return _add(command, options)


def source_options(command: Command) -> Command:
    """Add the options that say where data sets and computed stages lie, and on which device to compute."""
    folder = click.Path(path_type=Path, file_okay=False)
    options = (
        store_option,
        click.option("--data-root", type=folder, default=Path("data"), show_default=True, help="Folder of data sets."),
        click.option("--download/--no-download", help="Let data sets fetch what is missing."),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps."),
    )
    return _add(command, options)


def _add(command: Command, options: tuple[Any, ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def chosen_benchmark(file: Path | None, values: dict[str, Any]) -> grids.Benchmark:
    """Lay the options that were given over the benchmark file that was named, over the defaults."""
    given = {name.replace("_", "-"): values[name] for name in (*_GRID, "metrics") if values.get(name) is not None}
    return grids.build(grids.load(file) if file else {}, grids.settings(given, "--{}"))


def given_options(values: dict[str, Any]) -> list[str]:
    """Return the options of the grid and of places that were given on the command line, as 'run' takes them too."""
    context = get_current_context()
    given = [
        name
        for name in (*_GRID, "store", "data_root")
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    return [word for name in given for word in (f"--{name.replace('_', '-')}", str(values[name]))]


def chosen_settings(values: dict[str, Any]) -> Settings:
    """Return where and how to run, as far as the command has options for it."""
    from ddbench.cli.executor_options import with_options
    from ddbench.location import default_location
    from ddbench.runner import Settings
    from ddbench.spec import Spec

    chosen = {name: values[name] for name in _PLACE if name in values}
    chosen["store"] = chosen["store"] or default_location()
    if "executor" in chosen:
        chosen["executor"] = with_options(Spec.parse(chosen["executor"]), values.get("gpus_per_stage"))
    return Settings(**chosen)


def warn_of_broken_plugins() -> None:
    """Tell on stderr which plugins could not be used."""
    from ddbench.registry import registry

    for plugin in registry().broken:
        click.echo(f"Warning: plugin '{plugin.name}' ({plugin.distribution}) failed to load: {plugin.error}", err=True)
