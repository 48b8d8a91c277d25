"""``ddbench export-images``."""

from __future__ import annotations

import functools
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click import get_current_context
from click.core import ParameterSource

from ddbench.cards import MARK, Told, card
from ddbench.cli.options import chosen_settings, source_options, warn_of_broken_plugins
from ddbench.errors import CorruptArtifactError, UserError, printable
from ddbench.imagesets import FORMS, ImageSet, Softened, write

if TYPE_CHECKING:
    from ddbench.bench import Bench
    from ddbench.planner import PlannedTrial
    from ddbench.runner import Settings
    from ddbench.store import AnyStore
    from ddbench.types import Stage

_GRID = ("synth", "dataset", "ipc", "teacher", "synth_seed", "labels", "evaluator", "precision")
CARD = "README.md"


@dataclass(frozen=True)
class _Stored:
    """A planned set that the store has."""

    trial: PlannedTrial
    stages: dict[str, Stage]
    store: AnyStore

    @property
    def made(self) -> Stage:
        """The stage of the first images."""
        return self.stages[self.trial.shards[0]]

    @property
    def labelled(self) -> Stage:
        """The stage of the labels."""
        return self.stages[self.trial.relabel]


@click.command("export-images")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--synth", required=True, help="The synthesizer: 'dwa[rho=0.02]'.")
@click.option("--dataset", default="digits", show_default=True, help="The data set.")
@click.option("--ipc", default=10, show_default=True, help="Images per class.")
@click.option("--teacher", default="resnet18", show_default=True, help="The teacher, as in 'run'.")
@click.option("--synth-seed", default=0, show_default=True, help="The synthesis seed.")
@click.option(
    "--labels", default="hard", show_default=True, help="A labeler whose labels are stored, one an image: static, own."
)
@click.option("--evaluator", default="standard", show_default=True, help="The exam for which labels were stored.")
@click.option("--precision", default="float32", show_default=True, help="float32 or bfloat16, as in 'run'.")
@click.option(
    "--format", "form", type=click.Choice(list(FORMS)), default="png", show_default=True, help="Of the files."
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Folder of result files, whose scores the card tells.",
)
@click.option("--force", is_flag=True, help="Replace a set that was exported to FOLDER before.")
@source_options
def export_images(folder: Path, form: str, results: Path, force: bool, **values: Any) -> int:
    """Write a distilled set, as 'run' has stored it, for others to use.

    FOLDER is made: images as PNG files in a folder a class (png), as parquet that the Hugging Face Hub shows, as
    WebDataset shards, or as JPEG files in the layout of SRe2L; labels beside in labels.safetensors; and a card,
    README.md, that says what it is, how it was made, what it scored and whom to cite. Nothing is computed.
    """
    warn_of_broken_plugins()
    _require_place(folder, force=force)
    settings = chosen_settings(values)
    stored = _stored(settings, values)
    try:
        images = _images(stored, settings)
        _place(folder, lambda aside: _write(stored, images, form, results, aside))
    except CorruptArtifactError as error:
        raise UserError(f"{error}; 'ddbench cache verify' removes it, then 'ddbench run' makes it anew") from None
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}; mend that and export again") from error
    click.echo(f"{images.images} images of {stored.trial.trial.cell.synthesizer}: {folder}")
    return 0


def _require_place(folder: Path, *, force: bool) -> None:
    """Refuse a folder that holds something, unless it is a set that may be replaced."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    exported = (folder / CARD).is_file() and (folder / CARD).read_bytes().startswith(MARK.encode())
    if not exported:
        raise UserError(f"{folder} is not empty, and no exported set: name a new folder")
    if not force:
        raise UserError(f"{folder} holds an exported set: name a new folder, or replace it by --force")


def _stored(settings: Settings, values: dict[str, Any]) -> _Stored:
    """Plan the one set that was named, if the store has it.

    Raises:
        UserError: several were named, or it has not been made.
    """
    from ddbench import benchmark as grids
    from ddbench.bench import require_device
    from ddbench.plan import plan
    from ddbench.registry import registry
    from ddbench.store import open_store

    require_device(settings.device)
    named = {name.replace("_", "-"): values[name] for name in _GRID if name != "synth_seed"}
    grid = {**named, "synth-seeds": values["synth_seed"], "seeds": 0, "eval": "resnet18"}  # any student: none is asked
    planned = plan(grids.build({}, grids.settings(grid, "--{}")), registry(), settings.place)
    if len({(trial.shards, trial.relabel) for trial in planned.trials}) > 1:
        raise UserError("name one synthesizer, data set, teacher, ipc and labeler: a folder holds one set")
    stored = _Stored(planned.trials[0], dict(planned.stages), open_store(settings.store))
    _require_stored(stored, values)
    return stored


def _require_stored(stored: _Stored, values: dict[str, Any]) -> None:
    from ddbench import shards

    labels = stored.labelled.specs["labeler"].name
    soft = labels == "hard" or stored.store.has("relabel", stored.trial.relabel)
    if shards.stored(stored.store, stored.trial.shards) and soft:
        return
    context = get_current_context()
    written = {name: "synth_seeds" if name == "synth_seed" else name for name in (*_GRID, "store", "data_root")}
    given = [name for name in written if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    words = [word for name in given for word in (f"--{written[name].replace('_', '-')}", str(values[name]))]
    again = shlex.join(["ddbench", "run", *words, *(() if "labels" in given else ("--labels", "hard"))])
    raise UserError(f"the store {stored.store.location} has no such set; to make it: {again}")


# ---------------------------------------------------------------------------------------------- what is written


def _images(stored: _Stored, settings: Settings) -> ImageSet:
    """Return the set as it is to be written."""
    from ddbench import shards

    keys = stored.trial.shards
    count = sum(stored.store.artifact("synthesize", key).meta()["result"]["images"] for key in keys)
    batches = functools.partial(shards.batches, stored.store, keys)
    return ImageSet(stored.trial.data, count, batches, _softened(stored, settings))


def _softened(stored: _Stored, settings: Settings) -> Softened | None:
    """Return the soft labels that the labeler has stored, one row an image; None for hard labels.

    Raises:
        UserError: the labeler stores none, or labels of single views.
    """
    from ddbench.plain import labels_of_images
    from ddbench.types import LabelsTask

    stage = stored.labelled
    if stage.specs["labeler"].name == "hard":
        return None
    bench = _bench(stage, settings, stored.store)
    labeler = bench.component("labeler")
    tensors = stored.store.artifact("relabel", stage.key).tensors("labels")
    if not tensors or getattr(type(labeler), "per_view", False):
        raise UserError(
            f"labels '{stored.trial.trial.cell.labeler}' are of views, not of images: export with labels static or hard"
        )
    labels = labeler.labels(LabelsTask(bench.distilled, tensors, bench.teacher, bench.compute))
    return Softened(labels_of_images(labels, bench.distilled, bench.compute), labels.temperature)


def _bench(stage: Stage, settings: Settings, store: AnyStore) -> Bench:
    from ddbench.bench import Bench, Context, resolve_device
    from ddbench.types import Compute

    compute = Compute(resolve_device(settings.device), stage.facts["precision"], 0, _tell_nobody)
    return Bench(stage, Context(settings.store, settings.place, settings.device), compute, store)


def _tell_nobody(done: int, total: int, **numbers: float) -> None:
    """Nothing is computed whose progress could be told."""


def _place(folder: Path, fill: Any) -> None:
    """Write a folder aside and move it into place, all of it or nothing; what was there goes last."""
    parent = folder.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=f".{folder.name}.") as aside:
        new, old = Path(aside) / "new", Path(aside) / "old"
        new.mkdir()
        fill(new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)


def _write(stored: _Stored, images: ImageSet, form: str, results: Path, folder: Path) -> None:
    from ddbench.registry import registry

    write(images, folder, form)
    meta = stored.store.artifact("synthesize", stored.made.key).meta()
    settings = stored.made.facts["synthesizer"]
    soft = images.soft
    told = Told(
        stored.trial.trial.cell,
        stored.trial.trial.synthesis_seed,
        stored.trial.data,
        form,
        images.images,
        stored.trial.shards,
        settings,
        registry().entry("synthesizer", stored.made.specs["synthesizer"].name).load(),
        ""
        if soft is None
        else f"probabilities by `{stored.trial.trial.cell.labeler}` at temperature {soft.temperature:g}",
        meta["environment"],
        _results(stored, results),
    )
    (folder / CARD).write_text(card(told), encoding="utf-8")


def _results(stored: _Stored, folder: Path) -> list[dict[str, Any]]:
    """Return the sound results of students that were trained on the set; files that cannot be read are told."""
    from ddbench import results
    from ddbench.listing import files

    found = []
    for path in files(folder) if folder.is_dir() else ():
        try:
            document = results.sound(path)
        except UserError as error:
            click.echo(f"Warning: {printable(str(error))}", err=True)
            continue
        if document and tuple(document["stages"]["synthesize"]["keys"]) == stored.trial.shards:
            found.append(document)
    return found
