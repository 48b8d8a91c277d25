"""From a frame of trials to the tables that a paper would print, as text."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ddbench_reporters.beside import beside
from ddbench_reporters.layout import GAP, SETTINGS, Table, count, seconds, size
from ddbench_reporters.spread import spread, with_failures

if TYPE_CHECKING:
    import pandas as pd

_COUNTS = ("ipc", "synthesis_seed", "evaluation_seed")  # whole numbers of every trial; of a published one, maybe gaps
_QUIET = ("data", "precision")  # shown where they differ
_ROW = (*SETTINGS, "synthesizer", "ipc")
_DISTILLATIONS = "over n distillations, each the mean of its trainings"
_TRAININGS = "over n trainings on one distilled set"


def tables(frame: pd.DataFrame) -> tuple[Table, ...]:
    """Return the tables of a frame: accuracies, these beside a paper's where there are any, and costs.

    What all rows share goes into the title.
    """
    published = frame[frame["status"] == "reported"]
    frame, outdated = _newest(frame.drop(published.index).astype(dict.fromkeys(_COUNTS, "int64")))
    compared = tuple(filter(None, [beside(frame, published)]))
    if frame.empty:
        return compared or (Table("no results", ("synthesizer", "ipc"), (), 0),)
    shared = [name for name in SETTINGS if frame[name].nunique(dropna=False) == 1]
    shown = [name for name in _ROW if name not in shared]
    title = ", ".join(f"{name} {frame[name].iloc[0]}" for name in shared if name not in _QUIET)
    groups = [(key, group) for key, group in frame.groupby(list(_ROW), sort=False, dropna=False)]
    groups = sorted(groups, key=lambda pair: _order(frame, pair[0]))
    accuracy = _accuracy(frame, groups, shown, title)
    return (replace(accuracy, notes=accuracy.notes + outdated), *compared, _cost(groups, shown))


def _newest(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Keep one result a trial, the newest: an older version or recipe of a component may have left others."""
    trial = [*_ROW, "architecture", "synthesis_seed", "evaluation_seed"]
    newest = frame.loc[frame.sort_values("started_at", na_position="first").drop_duplicates(trial, keep="last").index]
    older = len(frame) - len(newest)
    note = (f"{older} older results of the same trials, made by other settings or versions, are left out",)
    return newest.sort_index(), note if older else ()


def _order(frame: pd.DataFrame, key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Order rows as the run did, and by ipc within a method."""
    places = [list(frame[name].unique()).index(value) for name, value in zip(_ROW[:-1], key, strict=False)]
    return (*places, key[-1])


def _accuracy(frame: pd.DataFrame, groups: list[Any], shown: list[str], title: str) -> Table:
    architectures = list(frame["architecture"].unique())
    rows = [(*_names(key, shown), *_accuracies(group, architectures), _teacher(group)) for key, group in groups]
    header = (*shown, *architectures, *(["mean"] if len(architectures) > 1 else []), "teacher")
    numeric = len(header) - len(shown)
    return Table(f"top-1 in %: {title}" if title else "top-1 in %", header, tuple(rows), numeric, _notes(frame))


def _names(key: tuple[Any, ...], shown: list[str]) -> tuple[str, ...]:
    return tuple(str(value) for name, value in zip(_ROW, key, strict=True) if name in shown)


def _accuracies(group: pd.DataFrame, architectures: list[str]) -> tuple[str, ...]:
    trials = [group[group["architecture"] == architecture] for architecture in architectures]
    cells = tuple(_cell(each) for each in trials)
    if len(architectures) == 1:
        return cells
    means = [spread(each).mean if _whole(each) else math.nan for each in trials]
    mean = sum(means) / len(means)
    return (*cells, GAP if math.isnan(mean) else f"{mean:.1f}")


def _whole(trials: pd.DataFrame) -> bool:
    """Tell whether nothing is missing or failed: a mean is never silently shortened."""
    return len(trials) > 0 and bool((trials["status"] == "done").all())


def _cell(trials: pd.DataFrame) -> str:
    return GAP if trials.empty else with_failures(spread(trials[trials["status"] == "done"]), trials)


def _teacher(group: pd.DataFrame) -> str:
    scores = group["teacher_top1"].dropna()
    return GAP if scores.empty else f"{scores.mean():.1f}"


def _notes(frame: pd.DataFrame) -> tuple[str, ...]:
    notes = [f"mean ± standard deviation (n) {_axis(frame)}; accuracy on the test split after the last epoch"]
    notes += [f"failed: {error}" for error in frame.loc[frame["status"] == "failed", "error"].unique()]
    flags = frame["flag"].fillna("")
    notes += [f"{count} results are flagged: {flag}" for flag, count in flags[flags != ""].value_counts().items()]
    return tuple(notes)


def _axis(frame: pd.DataFrame) -> str:
    """Say what n counts: distillations, trainings, or in some cells the one and in others the other."""
    done = frame[frame["status"] == "done"]
    several = done.groupby([*_ROW, "architecture"], dropna=False)["synthesis_seed"].nunique() > 1
    if not several.any():
        return _TRAININGS
    return _DISTILLATIONS if several.all() else f"{_DISTILLATIONS}, where there are several, else {_TRAININGS}"


_COST_NOTES = (
    "passes: images sent forward + backward through teacher or generator, once a method has prepared",
    "labels made by a live teacher weigh as much as the teacher",
)
_PREPARED_NOTE = "prepare s: what a method takes before its first image, once for all, without its generator's training"


def _cost(groups: list[Any], shown: list[str]) -> Table:
    prepared = any(group["prepare_seconds"].notna().any() for _, group in groups)
    before = ("prepare s",) if prepared else ()
    header = (*shown, *before, "s per ipc", "passes per ipc", "student s", "peak memory", "images", "labels")
    rows = tuple((*_names(key, shown), *(_preparation(group) for _ in before), *_costs(group)) for key, group in groups)
    notes = (_PREPARED_NOTE, *_COST_NOTES) if prepared else _COST_NOTES
    return Table("cost", header, rows, len(header) - len(shown), notes)


def _preparation(group: pd.DataFrame) -> str:
    return seconds(float(group.drop_duplicates("synthesis_seed")["prepare_seconds"].mean()))


def _costs(group: pd.DataFrame) -> tuple[str, ...]:
    made = group.drop_duplicates("synthesis_seed")
    forward, backward = (
        float((made[f"synthesize_{way}_images"] / made["ipc"]).mean()) for way in ("forward", "backward")
    )
    return (
        seconds(float((made["synthesize_seconds"] / made["ipc"]).mean())),
        GAP if math.isnan(forward) else f"{count(forward)} + {count(backward)}",
        seconds(float(group["evaluate_seconds"].mean())),
        size(float(group[["prepare_peak_memory_bytes", "synthesize_peak_memory_bytes"]].max().max())),
        size(float(group["image_bytes"].max())),
        size(float(group["label_bytes"].max())),
    )
