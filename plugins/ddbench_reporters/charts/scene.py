"""What all charts of a report share: its cells, and one colour and marker for each method."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddbench.kit.drawing import look
from ddbench_reporters.layout import CELL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ddbench_reporters.grid import Grid, Square

_PANEL = ("dataset", "data", "precision", "labeler", "evaluator")  # one exam; teacher and synthesizer are the method


def _no_link(square: Square) -> str | None:  # noqa: ARG001 - a figure in a file links to nothing
    return None


@dataclass(frozen=True)
class Scene:
    """What a chart draws from.

    Attributes:
        cells: the trials.
        documents: result files by key, for training curves.
        link: gives the address of what stands behind a point, where the figure is part of a page.
    """

    cells: Grid
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    link: Callable[[Square], str | None] = _no_link

    @functools.cached_property
    def names(self) -> dict[str, int]:
        """Methods in the order of the table, and their places in it."""
        found = dict.fromkeys(self.method(square) for square in self.cells.squares)
        return {name: place for place, name in enumerate(found)}

    @functools.cached_property
    def _varies(self) -> frozenset[str]:
        """Coordinates that are not the same for all trials."""
        return frozenset(name for name in CELL if self.cells.trials[name].nunique(dropna=False) > 1)

    @functools.cached_property
    def _teachers(self) -> Counter[str]:
        """How many teachers each data set has."""
        pairs = {(square.place["dataset"], square.place["teacher"]) for square in self.cells.squares}
        return Counter(dataset for dataset, teacher in pairs if teacher != "none")

    def method(self, square: Square) -> str:
        """Return what a legend calls a method: its synthesizer, and its teacher where a data set has several."""
        synthesizer, teacher = square.place["synthesizer"], square.place["teacher"]
        told = self._teachers[square.place["dataset"]] > 1 and teacher != "none"
        return f"{synthesizer} ({teacher})" if told else synthesizer

    def look(self, name: str) -> tuple[str, str]:
        """Return colour and marker of a method."""
        return look(self.names[name])

    def panels(self, *further: str) -> Iterator[tuple[dict[str, str], list[Square]]]:
        """Yield the squares that one panel shows, with what they share: the exam and ``further`` coordinates."""
        shared = (*_PANEL, *further)
        found: dict[tuple[str, ...], list[Square]] = {}
        for square in self.cells.squares:
            if square.summary.n:
                found.setdefault(tuple(square.place[name] for name in shared), []).append(square)
        for values, squares in found.items():
            yield dict(zip(shared, values, strict=True)), squares

    def title(self, place: Mapping[str, str]) -> str:
        """Name a panel by what tells it from the others: its data set always, the rest where it varies."""
        told = [name for name in place if name == "dataset" or name in self._varies]
        return ", ".join(f"ipc {place[name]}" if name == "ipc" else place[name] for name in told)


def documents_by_key(documents: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return result files by the key of their trial."""
    return {document["key"]: document for document in documents}


def by_method(scene: Scene, squares: Sequence[Square]) -> dict[str, list[Square]]:
    """Return squares by the name of their method, in the order of the table."""
    found: dict[str, list[Square]] = {}
    for square in squares:
        found.setdefault(scene.method(square), []).append(square)
    return found


def flag_notes(squares: Iterable[Square], words: str) -> tuple[str, ...]:
    """Return what says how flagged results are marked, where there are any."""
    return (f"{words}: with flagged results",) if any(square.flagged for square in squares) else ()


def filling(square: Square, colour: str) -> str:
    """Return the colour inside a marker: none where a trial is flagged."""
    return "none" if square.flagged else colour
