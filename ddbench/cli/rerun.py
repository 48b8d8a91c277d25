"""``ddbench rerun``."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench.cli.chosen_result import chosen_result, result_argument
from ddbench.cli.options import chosen_settings, json_option, source_options, warn_of_broken_plugins
from ddbench.errors import UserError, printable
from ddbench.keys import digest
from ddbench.whole_file import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ddbench.rerun.repeat import Repetition

DIFFERS = 1
_UNFINISHED = "unfinished"  # a file in a folder of --keep, until the rerun has ended
_NAMED = ("dataset", "teacher", "synth", "labels", "evaluator", "eval")


@click.command()
@result_argument
@click.option("--dataset", help="Where the data set lies, if the file does not tell: 'parquet[path=...]'.")
@click.option("--teacher", help="The teacher, for a path that the file does not hold: 'checkpoint[path=...]'.")
@click.option("--synth", help="Likewise the synthesizer.")
@click.option("--labels", help="Likewise the labeler.")
@click.option("--evaluator", help="Likewise the exam.")
@click.option("--eval", help="Likewise the evaluation architecture.")
@click.option("--reuse", is_flag=True, help="Take finished inputs from the store, and train the student alone anew.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="New folder for what is computed; after a kill the same command goes on there [default: none].",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the new result file.")
@click.option(
    "--tolerance", type=click.FloatRange(min=0), default=0.0, show_default=True, help="Points that may lie between."
)
@source_options
@click.option("--executor", default="processes", show_default=True, help="Where stages run: serial, processes, ...")
@click.option("--quiet", "-q", is_flag=True, help="Show the verdict only.")
@json_option
def rerun(result: str, results: Path, tolerance: float, quiet: bool, as_json: bool, **values: Any) -> int:
    """Repeat the trial of RESULT, a file or the beginning of a key, and say whether its number came back.

    The trial is planned from what the file records, whatever recipes and defaults are now, and computed from the
    data on, in a folder of its own. Ends with 0 if the number came back, 1 if it differs by more than --tolerance,
    and 2 if the trial cannot be repeated here.
    """
    path, found = chosen_result(result, results)
    _require_number(path, found)
    warn_of_broken_plugins()
    with _workshop(values["keep"], digest([found["key"], values["reuse"]])) as folder:
        again, repetition = _repeat(found, folder, values, quiet=quiet)
        if repetition is None:
            raise UserError(f"the trial of {path} failed here: {again['error']}")
    same = abs(repetition.difference) <= tolerance
    if as_json:
        told = {**asdict(repetition), "difference": repetition.difference}
        click.echo(json.dumps({"file": str(path), "same": same, **told, "result": again}, indent=1))
    else:
        _show(found, again, repetition, tolerance)
    return 0 if same else DIFFERS


def _require_number(path: Path, found: Mapping[str, Any]) -> None:
    """Refuse what has no number to come back to; warn of what was edited."""
    from ddbench.results import flag

    if found["status"] == "failed":
        raise UserError(f"{path} is of a trial that failed: it has no number to come back; 'ddbench run' tries again")
    flagged = flag(found)
    if flagged == "key differs":
        raise UserError(f"{path} was edited: its key does not follow from its settings, so nobody knows what it is of")
    if flagged:
        click.echo(f"Warning: {path} was edited since it was written: its number may be another", err=True)


@contextmanager
def _workshop(keep: Path | None, task: str) -> Iterator[Path]:
    """Yield a folder to compute in: one that goes afterwards, or the one named: new, or what a killed rerun left."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="ddbench-rerun-") as folder:
            yield Path(folder)
        return
    mark = keep / _UNFINISHED
    if keep.exists() and any(keep.iterdir()) and not (mark.is_file() and mark.read_bytes() == task.encode()):
        raise UserError(f"--keep {keep} is not empty: what lies there would be taken for computed; name a new folder")
    write_text(mark, task)
    yield keep
    mark.unlink()


def _repeat(
    found: Mapping[str, Any], folder: Path, values: dict[str, Any], *, quiet: bool
) -> tuple[dict[str, Any], Repetition | None]:
    from ddbench.cli.display import listening
    from ddbench.rerun.repeat import repeat, share_cache, take_finished
    from ddbench.rerun.replan import plan_again
    from ddbench.runner import require_able
    from ddbench.spec import Spec

    theirs = chosen_settings({**values, "out": values["out"] or folder / "results"})
    settings = replace(theirs, store=folder / "store")
    given = {name: Spec.parse(values[name]) for name in _NAMED if values[name]}
    require_able(settings)
    with listening(quiet=quiet):
        if not values["reuse"]:
            return repeat(found, plan_again(found, settings.place, given), settings)
        share_cache(theirs.place.cache, settings.place.cache)
        plan = plan_again(found, settings.place, given)
        count = take_finished(plan, theirs.store, folder / "store")
        click.echo(f"{count} of {len(plan.stages) - 1} inputs taken from {theirs.store}", err=True)
        return repeat(found, plan, settings)


def _show(found: Mapping[str, Any], again: Mapping[str, Any], repetition: Repetition, tolerance: float) -> None:
    click.echo(_verdict(found, again, repetition, tolerance))
    if not repetition.bits and repetition.first_apart:
        click.echo(f"  the first to come out otherwise: {repetition.first_apart}")
    if repetition.surroundings:
        click.echo("  made there -> repeated here:")
    for line in repetition.surroundings:
        click.echo(f"    {printable(line)}")
    if not repetition.bits and not repetition.surroundings:
        click.echo("  environment and code are the same, as far as the file tells: the trial does not repeat itself")


def _verdict(found: Mapping[str, Any], again: Mapping[str, Any], repetition: Repetition, tolerance: float) -> str:
    before, now, apart = repetition.before, repetition.now, repetition.difference
    if repetition.bits:
        return f"same: {now:.2f} %, bit for bit"
    if not apart:
        losses = [each["measures"]["loss"] for each in (found, again)]
        return f"same: {now:.2f} %, though not bit for bit: loss {losses[0]:.8g} -> {losses[1]:.8g}"
    word = "differs" if abs(apart) > tolerance else f"same within {tolerance:g} points"
    return f"{word}: {before:.2f} -> {now:.2f} % ({apart:+.2f} points)"
