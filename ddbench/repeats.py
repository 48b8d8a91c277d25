"""Trials that are found more than once, in one place or in several: each is taken once, the newest sound one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbench.rows import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ddbench.sources import Found

_TRIAL = (*COLUMNS[: COLUMNS.index("evaluation_seed") + 1], "key")


def once(found: Found) -> tuple[Found, str]:
    """Take every trial once, in the order found; and say which were there more often.

    A file that is found twice, under two names or from two sources, is no trial found twice. Whatever has no key (a
    published number) is itself alone.
    """
    import numpy as np

    keys = found.table["key"]
    shared = keys.duplicated(keep=False) & keys.notna() & (keys != "")
    if not shared.any():
        return found, ""
    files = {each.file: each for each in _each(found, np.flatnonzero(shared))}
    trials: dict[tuple[str, ...], list[_Each]] = {}
    for each in files.values():
        trials.setdefault(each.trial, []).append(each)
    rows = np.arange(len(found.table))
    rows[shared] = -1
    for same in trials.values():
        rows[same[0].row] = max(reversed(same), key=lambda each: each.worth).row
    return found.take(rows[rows >= 0].tolist()), _told([same for same in trials.values() if len(same) > 1])


@dataclass(frozen=True, eq=False)
class _Each:
    """One of several rows of one key."""

    row: int
    columns: dict[str, Any]
    place: str
    document: bool

    @property
    def file(self) -> object:
        """Its file, however it is called; of an export it is one of many."""
        return os.path.realpath(self.place) if self.document else self

    @property
    def trial(self) -> tuple[str, ...]:
        """What it is."""
        return tuple(str(self.columns[name]) for name in _TRIAL)

    @property
    def worth(self) -> tuple[bool, str]:
        """Sound before failed or flagged, then new before old."""
        return self.columns["status"] == "done" and not self.columns["flag"], self.columns["started_at"] or ""


def _each(found: Found, rows: Iterable[int]) -> Iterator[_Each]:
    some = found.table.take(list(rows))
    records = some.astype(object).where(some.notna(), None).to_dict("records")
    for row, columns in zip(some.index, records, strict=True):
        yield _Each(row, {str(name): value for name, value in columns.items()}, found.places[row], found.documents[row])


def _told(several: list[list[_Each]]) -> str:
    if not several:
        return ""
    places = " and ".join(str(Path(each.place)) for each in several[0][:2])
    apart = sum(len({each.columns["top1"] for each in same}) > 1 for same in several)
    flagged = sum(bool(each.columns["flag"]) for same in several for each in same)
    return "; ".join(
        [
            f"trials that are there more than once: {len(several)}, such as in {places}: the newest sound one is taken",
            *([f"numbers differ in {apart}"] if apart else []),
            *([f"flagged among them: {flagged}"] if flagged else []),
        ]
    )
