"""Accuracy against what a distilled set costs: seconds of synthesis, bytes with labels counted, or those of labels."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddbench_reporters.charts.axis import logarithmic
from ddbench_reporters.charts.panel import INK, Chart, Panel, chart, grid_lines, literal
from ddbench_reporters.charts.scene import Scene, filling, flag_notes
from ddbench_reporters.layout import seconds, size
from ddbench_reporters.spread import known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.axes import Axes

    from ddbench_reporters.grid import Square
    from ddbench_reporters.spread import Row

    Measure = tuple[str, Callable[[Square], float], Callable[[float], str]]

EMPTY = "nothing to draw: no result says what its images cost"
NO_LABELS = "nothing to draw: no result says what its labels weigh"
_NAMED = "named: results that no cheaper one equals"
_NOTES = (
    "seconds: of a method's preparation and synthesis, for the whole distilled set",
    "bytes: images and labels; labels made by a live teacher weigh as much as the teacher",
    _NAMED,
)
_LEAST = 1e-3  # on a logarithmic axis
_BACKGROUND = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}  # lines do not cross names
_ALIKE = 1.05  # times a cost: no difference that an eye sees


@dataclass(frozen=True)
class _Point:
    """A square and its cost."""

    square: Square
    cost: float

    @property
    def top1(self) -> float:
        return self.square.summary.mean


def cost(scene: Scene) -> Chart:
    """Return two panels for each exam and architecture, seconds and bytes, a point for each set and labels."""
    return _chart(scene, (("seconds", _seconds, seconds), ("bytes", _bytes, size)), _NOTES)


def label_bytes(scene: Scene) -> Chart:
    """Return a panel for each exam and architecture: bytes of labels, a point for each set and labels."""
    note = "bytes of labels alone; labels made by a live teacher weigh as much as the teacher"
    return _chart(scene, (("bytes of labels", _label_bytes, _weight),), (note, _NAMED))


def _chart(scene: Scene, measures: Sequence[Measure], notes: Sequence[str]) -> Chart:
    panels, legend = [], []
    for place, squares in _exams(scene):
        for words, measure, write in measures:
            points = [_Point(square, value) for square in squares if not math.isnan(value := measure(square))]
            if points:
                panels.append(_panel(scene, place, points, words, write))
                legend += [scene.method(point.square) for point in points]
    return chart(panels, legend, *notes, *flag_notes(scene.cells.squares, "hollow"), across=2)


def _exams(scene: Scene) -> Iterable[tuple[dict[str, str], list[Square]]]:
    """Yield squares by exam and architecture, whatever their labels: these are part of the cost."""
    merged: dict[tuple[tuple[str, str], ...], list[Square]] = {}
    for place, squares in scene.panels("architecture"):
        shared = tuple((name, value) for name, value in place.items() if name != "labeler")
        merged.setdefault(shared, []).extend(squares)
    return ((dict(shared), squares) for shared, squares in merged.items())


def _panel(
    scene: Scene, place: dict[str, str], points: list[_Point], words: str, write: Callable[[float], str]
) -> Panel:
    def draw(axes: Axes) -> None:
        _draw(axes, points, scene)
        logarithmic(axes.xaxis, [point.cost for point in points], write)
        axes.set_xlabel(words)

    return Panel(scene.title(place), place, draw)


def _draw(axes: Axes, points: Sequence[_Point], scene: Scene) -> None:
    for line in _lines(points):
        colour, marker = scene.look(scene.method(line[0].square))
        axes.plot([point.cost for point in line], [point.top1 for point in line], color=colour, lw=0.9, alpha=0.6)
        for point in line:
            fill = filling(point.square, colour)
            (mark,) = axes.plot(point.cost, point.top1, marker=marker, color=colour, markersize=5, mfc=fill, zorder=4)
            mark.set_url(scene.link(point.square))
    _name(axes, _frontier(points), points)
    axes.set_ylabel("top-1 in %")
    axes.margins(0.1)
    grid_lines(axes)


def _lines(points: Sequence[_Point]) -> list[list[_Point]]:
    """Return points by method and labels, each in the order of images per class."""
    found: dict[tuple[str, ...], list[_Point]] = {}
    for point in points:
        place = point.square.place
        found.setdefault((place["teacher"], place["synthesizer"], place["labeler"]), []).append(point)
    return [sorted(each, key=lambda point: int(point.square.place["ipc"])) for each in found.values()]


def _frontier(points: Sequence[_Point]) -> list[_Point]:
    """Return the points that no other equals at the same cost or less."""
    found: list[_Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.top1)):
        if found and point.top1 <= found[-1].top1:
            continue
        if found and point.cost < _ALIKE * found[-1].cost:
            found.pop()  # their names would lie upon each other
        found.append(point)
    return found


def _name(axes: Axes, named: Sequence[_Point], points: Sequence[_Point]) -> None:
    """Write beside points what tells them from the others of their method."""
    several = [name for name in ("labeler", "ipc") if len({point.square.place[name] for point in points}) > 1]
    middle = math.sqrt(min(point.cost for point in points) * max(point.cost for point in points))
    for point in named:
        place = point.square.place
        words = literal(", ".join(f"ipc {place[name]}" if name == "ipc" else place[name] for name in several))
        at, side = (point.cost, point.top1), "left" if point.cost <= middle else "right"
        lift = (5 if side == "left" else -5, 4)
        axes.annotate(words, at, lift, textcoords="offset points", ha=side, fontsize=7, color=INK, bbox=_BACKGROUND)


def _seconds(square: Square) -> float:
    made = {row["synthesis_seed"]: row for row in square.rows}.values()
    spent = [_sum(row, "synthesize_seconds", "prepare_seconds") for row in made if known(row["synthesize_seconds"])]
    return max(_LEAST, statistics.fmean(spent)) if spent else math.nan


def _bytes(square: Square) -> float:
    taken = [_sum(row, "image_bytes", "label_bytes") for row in square.rows if known(row["label_bytes"])]
    return max(1.0, statistics.fmean(taken)) if taken else math.nan


def _label_bytes(square: Square) -> float:
    weights = [float(row["label_bytes"]) for row in square.rows if known(row["label_bytes"])]
    return max(1.0, statistics.fmean(weights)) if weights else math.nan


def _weight(nbytes: float) -> str:
    return size(nbytes if nbytes > 1 else 0)  # the axis has no place for nothing


def _sum(row: Row, *names: str) -> float:
    return sum(float(row[name]) for name in names if known(row[name]))
