"""What stands behind a number: trials, settings, stages with their keys, and where it was computed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddbench_reporters.layout import GAP, seconds, size
from ddbench_reporters.spread import known, with_failures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ddbench_reporters.grid import Square
    from ddbench_reporters.spread import Row

_NUMBERS = ("top1", "top5", "top1_best", "loss", "teacher_top1", "evaluate_seconds")
HEADER = ("seeds", "top-1", "top-5", "best", "loss", "teacher", "student s", "started", "")
_STAGES = ("squeeze", "pretrain", "prepare", "synthesize", "relabel", "evaluate")
_KEYS = 3  # of shards that are written out

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Step:
    """A stage of some trials: its keys, what it took, and what is recorded of its making."""

    kind: str
    keys: tuple[str, ...]
    more: int
    seeds: str
    seconds: str
    memory: str
    facts: Pairs


@dataclass(frozen=True)
class Cell:
    """What stands behind one square.

    Attributes:
        number: names it in the page.
        errors: of the trials that failed.
        settings: part by part, every parameter.
        places: environments, each with the seeds of its trials.
    """

    number: int
    title: str
    shown: str
    place: Mapping[str, str]
    trials: tuple[tuple[str, ...], ...]
    errors: tuple[str, ...]
    settings: tuple[tuple[str, Pairs], ...]
    steps: tuple[Step, ...]
    places: tuple[tuple[str, tuple[tuple[str, Pairs], ...]], ...]

    @property
    def told(self) -> str:
        """One line: which cell, and its number."""
        return f"{self.title}: {self.shown}"


def cell(number: int, square: Square, documents: Mapping[str, Mapping[str, Any]]) -> Cell:
    """Gather what is known of a square; a trial without a result file has no stages and no environment."""
    rows, place = square.rows, square.place
    return Cell(
        number=number,
        title=f"{place['synthesizer']}, ipc {place['ipc']}, {place['labeler']}, {place['architecture']}",
        shown=with_failures(square.summary, square.rows),
        place=place,
        trials=tuple(_trial(row) for row in rows),
        errors=tuple(dict.fromkeys(row["error"] for row in rows if row["status"] == "failed")),
        settings=_settings(rows),
        steps=tuple(_steps(rows, documents)),
        places=tuple(_places(rows, documents)),
    )


def _trial(row: Row) -> tuple[str, ...]:
    numbers = (f"{row[name]:.{3 if name == 'loss' else 1}f}" if known(row[name]) else GAP for name in _NUMBERS)
    told = row["flag"] or ("failed" if row["status"] == "failed" else "")
    started = str(row["started_at"])[:16].replace("T", " ") if known(row["started_at"]) else GAP
    return (_seeds([row]), *numbers, started, told)


def _settings(rows: Iterable[Row]) -> tuple[tuple[str, Pairs], ...]:
    """Return every parameter of every part, numbered where the trials of a cell have several."""
    texts = dict.fromkeys(row["settings"] for row in rows if known(row["settings"]))
    several = len(texts) > 1
    return tuple(
        (f"{part} ({number})" if several else part, pairs(value))
        for number, text in enumerate(texts, 1)
        for part, value in _decoded(text).items()
    )


def _decoded(text: Any) -> dict[str, Any]:
    """Read a column of JSON; whatever else an export holds there is shown as it is."""
    try:
        found = json.loads(text)
    except (ValueError, TypeError):
        found = None
    return found if isinstance(found, dict) else {"as written": str(text)}


def pairs(value: Any) -> Pairs:
    """Return a mapping as names and texts; anything else as a text without a name."""
    if not isinstance(value, dict):
        return (("", _text(value)),)
    return tuple((str(name), _text(each)) for name, each in value.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _steps(rows: Iterable[Row], documents: Mapping[str, Mapping[str, Any]]) -> Iterator[Step]:
    """Yield each stage once, with the seeds of the trials that share it."""
    found: dict[tuple[str, tuple[str, ...]], list[Row]] = {}
    for row in rows:
        stages = documents.get(row["key"], {}).get("stages", {})
        for kind in (kind for kind in _STAGES if kind in stages):
            keys = tuple(stages[kind].get("keys") or [stages[kind]["key"]])
            found.setdefault((kind, keys), []).append(row)
    for (kind, keys), sharing in sorted(found.items(), key=lambda item: _STAGES.index(item[0][0])):
        document = documents[sharing[0]["key"]]
        cost = document["costs"].get(kind, {})
        yield Step(
            kind=kind,
            keys=keys[:_KEYS],
            more=max(0, len(keys) - _KEYS),
            seeds=_seeds(sharing),
            seconds=seconds(cost["seconds"]) if cost else GAP,
            memory=size(cost["peak_memory_bytes"]) if cost else GAP,
            facts=tuple(_made((document.get("made") or {}).get(kind, {}))),
        )


def _made(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is recorded of a stage's making: times, command and checksum, who ships its parts, its own machine."""
    components = found.get("components", {}).values()
    shipped = dict.fromkeys(f"{part['distribution']} {part.get('commit') or ''}".strip() for part in components)
    if shipped:
        yield "made by", ", ".join(shipped)
    yield from ((name, _text(value)) for name, value in found.items() if value and not isinstance(value, dict))
    for name in ("environment", "sources"):
        yield from pairs(found.get(name) or {})


def _seeds(rows: Iterable[Row]) -> str:
    """Write the seeds of synthesis and evaluation of trials."""
    return ", ".join(f"{row['synthesis_seed']}/{row['evaluation_seed']}" for row in rows)


def _places(
    rows: Iterable[Row], documents: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, tuple[tuple[str, Pairs], ...]]]:
    """Yield where trials were computed, and the digests of the code, each once."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        environment = documents.get(row["key"], {}).get("environment") or {"device": row["device"]}
        sources = _decoded(row["sources"]) if known(row["sources"]) else {}
        found.setdefault(json.dumps([environment, sources]), []).append(row)
    for text, sharing in found.items():
        environment, sources = json.loads(text)
        yield _seeds(sharing), tuple(_parts(environment, sources))


def _parts(environment: Mapping[str, Any], sources: Mapping[str, str]) -> Iterator[tuple[str, Pairs]]:
    plain = {name: value for name, value in environment.items() if not isinstance(value, dict)}
    yield "machine", pairs(plain)
    yield from ((name, pairs(value)) for name, value in environment.items() if isinstance(value, dict))
    if sources:
        yield "digests of the code", pairs(sources)
