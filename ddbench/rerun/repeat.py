"""Repeats a trial, and tells whether its number came back."""

from __future__ import annotations

import os
import shutil
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddbench.environment import named
from ddbench.errors import CorruptArtifactError
from ddbench.runner import execute
from ddbench.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ddbench.location import Location
    from ddbench.plan import Plan
    from ddbench.runner import Settings

_VERBS = ("squeeze", "pretrain", "prepare", "synthesize", "relabel")
_WHAT = {
    "squeeze": "the teacher's weights",
    "pretrain": "the generator's weights",
    "prepare": "the prepared state",
    "synthesize": "the images",
    "relabel": "the labels",
}
_IDLE = ("commit", "cores")  # of an environment: recorded, but nothing computes by them


@dataclass(frozen=True)
class Repetition:
    """A trial beside itself.

    Attributes:
        column: the measure that is its number.
        before: the number of the file, percent.
        now: the number of the repetition.
        bits: whether every measure of the file is the same, bit for bit, the training curve too.
        first_apart: the first thing that was made otherwise, as far as the file holds its checksum; else empty.
        surroundings: what of environment and code differs, a line each.
    """

    column: str
    before: float
    now: float
    bits: bool
    first_apart: str
    surroundings: tuple[str, ...]

    @property
    def difference(self) -> float:
        """In points."""
        return self.now - self.before


def take_finished(plan: Plan, theirs: Location, ours: Path) -> int:
    """Link what a store has finished of a plan's inputs into another store; returns how many. Evaluations stay out."""
    target = Store(ours)
    inputs = [stage for stage in plan.stages.values() if stage.kind != "evaluate"]
    taken = 0
    with closing(open_store(theirs)) as source:
        for kind, key in source.present((stage.kind, stage.key) for stage in inputs):
            with suppress(CorruptArtifactError):  # computed anew
                _take(source.artifact(kind, key).folder, target.artifact(kind, key).folder)
                taken += 1
    return taken


def _take(theirs: Path, ours: Path) -> None:
    if not ours.exists():
        shutil.copytree(theirs, ours, copy_function=_link)


def share_cache(theirs: Path, ours: Path) -> None:
    """Let another store use what one has derived from data sets: statistics, encoded images."""
    if theirs.is_dir() and not ours.exists():
        ours.parent.mkdir(parents=True, exist_ok=True)
        ours.symlink_to(theirs.absolute(), target_is_directory=True)


def _link(source: str, target: str) -> None:
    """Name a file a second time; copy it where the file systems differ. Stored files are never written again."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def repeat(found: Mapping[str, Any], plan: Plan, settings: Settings) -> tuple[dict[str, Any], Repetition | None]:
    """Run the plan of one trial; returns its new document, and how it compares unless it failed."""
    [document] = execute(plan, settings)
    return document, None if document["status"] == "failed" else compare(found, document)


def compare(found: Mapping[str, Any], again: Mapping[str, Any]) -> Repetition:
    """Compare a trial's document with that of its repetition."""
    before, now = found["measures"], again["measures"]
    column = "top1" if before.get("top1_val") is None else "top1_val"
    return Repetition(
        column=column,
        before=before[column],
        now=now[column],
        bits=all(now.get(name) == value for name, value in before.items()),
        first_apart=next(_apart(found, again), ""),
        surroundings=tuple(_surroundings(found, again)),
    )


def _apart(found: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[str]:
    if found["teacher"] is not None and _scores(found["teacher"]) != _scores(again["teacher"]):
        yield _WHAT["squeeze"]
    for verb in _VERBS:
        before, now = (each.get("made", {}).get(verb, {}).get("sha256") for each in (found, again))
        if before and now and before != now:
            yield _WHAT[verb]


def _scores(teacher: Mapping[str, Any] | None) -> tuple[Any, ...]:
    return () if teacher is None else (teacher["top1"], teacher.get("loss"))


def _surroundings(found: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[str]:
    """Yield what of the environments differs, as far as both are told, then which packages' code does."""
    before, now = (dict(named(each["environment"] or {})) for each in (found, again))
    yield from (f"{name}: {before[name]} -> {now[name]}" for name in _changed(before, now) if name not in _IDLE)
    yield from _elsewhere(found, again)
    yield from (f"code of {name}: edited" for name in _changed(*(each.get("sources") or {} for each in (found, again))))


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [name for name, value in before.items() if name in now and now[name] != value]


def _elsewhere(found: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[str]:
    for verb in _VERBS:
        before, now = (each["costs"].get(verb, {}).get("device") for each in (found, again))
        if before and now and before != now:
            yield f"device of {verb}: {before} -> {now}"
