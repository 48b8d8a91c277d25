"""Trials of a frame, found by what they are of."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddbench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pandas as pd

    Row = Mapping[str, Any]

RANDOM, FULL, HARD = Spec("random"), Spec("full"), Spec("hard")
"""Real images by lot, all of them, and class labels: what references are made of."""

_COORDINATES = (
    *("dataset", "data", "precision", "teacher", "synthesizer", "ipc", "labeler", "evaluator", "architecture"),
    *("synthesis_seed", "evaluation_seed"),
)
_UNTAUGHT = "none"  # the teacher of trials that ask none


@dataclass(frozen=True)
class Trials:
    """Trials that ended well, by their coordinates.

    ``full`` goes by the number of its images and knows no synthesis seed: neither plays a part when it is looked for.
    """

    found: dict[tuple[Any, ...], Row] = field(default_factory=dict)

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Trials:
        """Take the trials of a frame."""
        done = (row for row in rows(frame) if row["status"] == "done")
        return cls({_name(row): row for row in done})

    def like(self, row: Row, **others: Any) -> Row | None:
        """Return the trial that differs from one in some coordinates alone, None if there is none.

        Its teacher may also be none: nobody asks one where images and labels do without.
        """
        wanted = {**row, **others}
        return self.found.get(_name(wanted)) or self.found.get(_name(wanted | {"teacher": _UNTAUGHT}))

    def accuracy(self, row: Row, **others: Any) -> float:
        """Return the accuracy of that trial as a fraction, NaN if there is none."""
        return accuracy(self.like(row, **others))


def _name(row: Row) -> tuple[Any, ...]:
    whole = {"ipc": None, "synthesis_seed": None} if is_full(row) else {}
    return tuple(whole.get(name, row[name]) for name in _COORDINATES)


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def accuracy(row: Row | None) -> float:
    """Return the accuracy of a trial as a fraction, NaN of one that failed or is not there."""
    return math.nan if row is None else float(row["top1"]) / 100


def is_full(row: Row) -> bool:
    """Tell whether a trial is of all real images."""
    return Spec.parse(row["synthesizer"]).name == FULL.name


def identity(row: Row, part: str) -> dict[str, Any]:
    """Return every field and the version of a trial's part, ``evaluator`` say; empty where none is known."""
    written = row.get("settings")
    found = json.loads(written).get(part) if isinstance(written, str) else None
    return dict(found or {})


def each(frame: pd.DataFrame, value: Callable[[Row], float]) -> pd.Series[float]:
    """Return a value for every row of a frame."""
    import pandas as pd

    return pd.Series([value(row) for row in rows(frame)], index=frame.index, dtype="float64")


def named(specs: Iterable[object]) -> str:
    """Write specs in a row, each once."""
    return ", ".join(dict.fromkeys(map(str, specs)))
