"""``ddbench export-generator``."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click import get_current_context
from click.core import ParameterSource

from ddbench.cli.options import chosen_settings, source_options, warn_of_broken_plugins
from ddbench.errors import CorruptArtifactError, UserError
from ddbench.plugins import one_line

if TYPE_CHECKING:
    from ddbench.planner import PlannedTrial
    from ddbench.runner import Settings
    from ddbench.store import AnyStore
    from ddbench.types import Stage


@click.command("export-generator")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--synth", required=True, help="The synthesizer: 'diffusion-memory[memory=fifo]'.")
@click.option("--dataset", default="digits", show_default=True, help="The data set.")
@click.option("--synth-seed", default=0, show_default=True, help="The synthesis seed.")
@click.option("--precision", default="float32", show_default=True, help="float32 or bfloat16, as in 'run'.")
@source_options
def export_generator(folder: Path, **values: Any) -> int:
    """Write the generative model that a synthesizer samples, tuned as 'run' has stored it.

    FOLDER is made, in the form of the library that the model comes from: a diffusion model's is what diffusers reads,
    and the generator 'folder'. Nothing is computed.
    """
    warn_of_broken_plugins()
    settings = chosen_settings(values)
    stage = _stage(settings, values)
    if folder.exists():
        raise UserError(f"{folder} is there already: name a new folder")
    _export(stage, settings, folder)
    click.echo(f"{stage.specs['generator'].name}, as {values['synth']} samples it: {folder}")
    return 0


def _stage(settings: Settings, values: dict[str, Any]) -> Stage:
    """Return the stage that samples the first images, if the store has all that it reads."""
    from ddbench import benchmark as grids
    from ddbench.bench import require_device
    from ddbench.plan import plan
    from ddbench.registry import registry
    from ddbench.store import open_store

    require_device(settings.device)
    grid = {
        "synth": values["synth"], "dataset": values["dataset"], "synth-seeds": values["synth_seed"], "ipc": 1,
        "seeds": 0, "labels": "hard", "precision": values["precision"],
    }  # fmt: skip
    planned = plan(grids.build({}, grids.settings(grid, "--{}")), registry(), settings.place)
    if len({trial.shards for trial in planned.trials}) > 1:
        raise UserError("name one synthesizer and one data set: a folder holds one model")
    trial = planned.trials[0]  # the others are other students of the same images
    stage = planned.stages[trial.shards[0]]
    if "generator" not in stage.specs:
        raise UserError(f"synthesizer '{trial.trial.cell.synthesizer}' samples no generative model")
    _require_stored(trial, open_store(settings.store), values)
    return stage


def _require_stored(trial: PlannedTrial, store: AnyStore, values: dict[str, Any]) -> None:
    wanted = {"pretrain": trial.pretrain, "prepare": trial.prepare}
    if all(store.has(kind, key) for kind, key in wanted.items() if key):
        return
    context = get_current_context()
    named = {"synth": "synth", "dataset": "dataset", "synth_seed": "synth-seeds", "precision": "precision"}
    named |= {"store": "store", "data_root": "data-root"}
    given = [name for name in named if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    words = (word for name in given for word in (f"--{named[name]}", str(values[name])))
    again = shlex.join(["ddbench", "run", *words, "--labels", "hard"])
    raise UserError(f"the store {store.location} has no such model; to make it: {again}")


def _tell_nobody(done: int, total: int, **numbers: float) -> None:
    """Nothing is computed whose progress could be told."""


def _export(stage: Stage, settings: Settings, folder: Path) -> None:
    from ddbench.bench import Bench, Context, resolve_device
    from ddbench.store import open_store
    from ddbench.types import Compute

    device = resolve_device(settings.device)
    compute = Compute(device, stage.facts["precision"], 0, _tell_nobody)
    bench = Bench(stage, Context(settings.store, settings.place, settings.device), compute, open_store(settings.store))
    generator, synthesizer = bench.component("generator"), bench.component("synthesizer")
    if not hasattr(generator, "save"):
        raise UserError(f"generator '{stage.specs['generator'].name}' cannot be written")
    try:
        model = bench.generator()
        if hasattr(synthesizer, "prepared"):
            model = synthesizer.prepared(model, bench.state)
    except CorruptArtifactError as error:
        raise UserError(f"{error}; 'ddbench cache verify' removes it, then 'ddbench run' makes it anew") from None
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.absolute().parent, prefix=f".{folder.name}.") as aside:
            generator.save(model, Path(aside) / "model", bench.data)
            (Path(aside) / "model").rename(folder)
    except Exception as error:  # a library's own, where a disk is full: it is not always an OSError
        raise UserError(f"{folder} cannot be written: {one_line(error)}") from error
