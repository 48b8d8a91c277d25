"""Training curves of students."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ddbench_reporters.charts.axis import logarithmic
from ddbench_reporters.charts.panel import Chart, Panel, chart, grid_lines
from ddbench_reporters.charts.scene import Scene, by_method, flag_notes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from matplotlib.axes import Axes

    from ddbench_reporters.grid import Square

    Value = Literal["top1", "loss"]
    Curve = dict[int, list[float]]  # values of all trainings by epoch

EMPTY = "nothing to draw: no result file here has a training curve"
_NOTE = "line: mean of the trainings; band: from the lowest of them to the highest"
_MOST = 80  # points of a line; a curve of a thousand epochs shows no more
_WORDS = {"top1": "test top-1 in %", "loss": "training loss"}


@dataclass(frozen=True)
class _Line:
    """One method's values by epoch."""

    name: str
    curve: Curve
    flagged: bool


def curves(scene: Scene) -> Chart:
    """Return panels of the test accuracy and of the training loss over epochs, a line for each method."""
    panels, legend = [], []
    for place, squares in scene.panels("architecture", "ipc"):
        values: tuple[Value, ...] = ("top1", "loss")
        for value in values:
            found = by_method(scene, squares).items()
            lines = [_Line(name, _curve(each, scene, value), any(one.flagged for one in each)) for name, each in found]
            drawn = [line for line in lines if len(line.curve) > 1]
            if drawn:
                panels.append(_panel(scene, place, drawn, value))
                legend += [line.name for line in drawn]
    return chart(panels, legend, _NOTE, *flag_notes(scene.cells.squares, "dashed"), across=2)


def _curve(squares: Iterable[Square], scene: Scene, value: Value) -> Curve:
    """Gather a value by epoch, over all trainings that have it."""
    found: Curve = {}
    for point in _points(squares, scene):
        if point.get(value) is not None:
            found.setdefault(int(point["epoch"]), []).append(float(point[value]))
    return dict(sorted(found.items()))


def _points(squares: Iterable[Square], scene: Scene) -> Iterator[dict[str, float]]:
    for square in squares:
        for row in square.rows:
            measures = scene.documents.get(row["key"], {}).get("measures") or {}
            yield from measures.get("curve", ())


def _panel(scene: Scene, place: dict[str, str], drawn: list[_Line], value: Value) -> Panel:
    def draw(axes: Axes) -> None:
        for line in drawn:
            _draw(axes, line, scene)
        numbers = [number for line in drawn for each in line.curve.values() for number in each]
        if value == "loss" and min(numbers) > 0:
            logarithmic(axes.yaxis, numbers, "{:.3g}".format)
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("epoch")
        axes.set_ylabel(_WORDS[value])
        grid_lines(axes, "y")

    return Panel(scene.title(place), place, draw)


def _draw(axes: Axes, line: _Line, scene: Scene) -> None:
    (colour, marker), curve = scene.look(line.name), line.curve
    epochs = _thinned(list(curve))
    means = [sum(curve[epoch]) / len(curve[epoch]) for epoch in epochs]
    every = max(1, math.ceil(len(epochs) / 6))
    style = "--" if line.flagged else "-"
    axes.plot(epochs, means, style, color=colour, linewidth=1.3, marker=marker, markersize=4, markevery=every)
    if max(len(curve[epoch]) for epoch in epochs) > 1:
        low, high = ([pick(curve[epoch]) for epoch in epochs] for pick in (min, max))
        axes.fill_between(epochs, low, high, color=colour, alpha=0.18, linewidth=0)


def _thinned(epochs: Sequence[int]) -> list[int]:
    """Return epochs at even distances, the first and the last among them."""
    count = min(_MOST, len(epochs))
    return [epochs[round(place * (len(epochs) - 1) / max(1, count - 1))] for place in range(count)]
