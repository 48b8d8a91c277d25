"""Which corruptions a student is tested under, as text, and the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddbench.kit.corruptions import NAMES
from ddbench_evaluators.splits import Corrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ddbench.types import Examples

ALL = "all"
SEVERITY = 3  # of 5, where none is written
SEVERITIES = ("1", "2", "3", "4", "5")


def read(text: str) -> tuple[tuple[str, int], ...]:
    """Read corruptions and their severities, each once, in the order of ``NAMES``: ``jpeg+gaussian-noise:5``.

    Raises:
        ValueError: a name or a severity that there is not.
    """
    found = {each for part in (text.split("+") if text else ()) for each in _read(part)}
    return tuple(sorted(found, key=lambda each: (NAMES.index(each[0]), each[1])))


def _read(part: str) -> Iterable[tuple[str, int]]:
    name, colon, severity = part.partition(":")
    if name not in (*NAMES, ALL):
        raise ValueError(f"corruptions: '{name}' is none; there are {', '.join(NAMES)}, and {ALL} of them")
    if colon and severity not in SEVERITIES:
        raise ValueError(f"corruptions: severity '{severity}' of '{part}' is none of 1 to 5")
    return ((each, int(severity or SEVERITY)) for each in (NAMES if name == ALL else (name,)))


def written(each: Iterable[tuple[str, int]]) -> str:
    """Write corruptions, each with its severity, as ``read`` reads them."""
    return "+".join(f"{name}:{severity}" for name, severity in each)


def scores(text: str, test: Examples, score: Callable[[Examples], float]) -> dict[str, float]:
    """Return what ``score`` gives for a split under each corruption, by name and severity."""
    return {written([each]): score(Corrupted(test, *each)) for each in read(text)}
