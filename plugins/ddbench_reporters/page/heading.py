"""What the page is a report of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddbench import __version__
from ddbench_reporters.spread import failures

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from ddbench_reporters.grid import Grid


@dataclass(frozen=True)
class Heading:
    """The head of the page: counts, and what the trials have in common. ``facts`` are names and values."""

    title: str
    trials: int
    failed: int
    flagged: int
    facts: tuple[tuple[str, tuple[str, ...]], ...]
    version: str = __version__


def heading(cells: Grid, documents: Iterable[Mapping[str, Any]]) -> Heading:
    """Return the head of a page."""
    trials, documents = cells.trials, list(documents)
    versions = sorted({version for found in documents if (version := _version(found))})
    named = {
        "benchmark": sorted({str(found["benchmark"]) for found in documents if found.get("benchmark")}),
        "data set": _values(trials, "dataset"),
        "method": _values(trials, "synthesizer"),
        "images per class": [str(count) for count in sorted(trials["ipc"].unique())],
        "teacher": [name for name in _values(trials, "teacher") if name != "none"],
        "labels": _values(trials, "labeler"),
        "exam": _values(trials, "evaluator"),
        "evaluation architecture": _values(trials, "architecture"),
        "computed": [*_days(trials), *(f"on {device}" for device in _values(trials, "device"))],
        "by ddbench": versions,
    }
    return Heading(
        title=" of ".join(filter(None, ("Distilled data sets", _listed(_values(trials, "dataset"))))),
        trials=len(trials),
        failed=sum(failures(square.rows) for square in cells.squares),
        flagged=sum(square.flagged for square in cells.squares),
        facts=tuple((name, tuple(values)) for name, values in named.items() if values),
    )


def _values(trials: pd.DataFrame, name: str) -> list[str]:
    return [str(value) for value in trials[name].dropna().unique()]


def _version(document: Mapping[str, Any]) -> str:
    return str((document.get("environment") or {}).get("versions", {}).get("ddbench") or "")


def _days(trials: pd.DataFrame) -> list[str]:
    days = sorted({str(day)[:10] for day in trials["started_at"].dropna()})
    return [] if not days else [days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"]


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
