"""Accuracy over images per class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ddbench_reporters.charts.panel import Chart, Panel, chart, grid_lines
from ddbench_reporters.charts.scene import Scene, by_method, filling, flag_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from ddbench_reporters.grid import Square

EMPTY = "nothing to draw: no exam has results at two or more images per class"
_BARS = "bars: one standard deviation to each side; methods are set apart sideways"
_ASIDE = 1.025  # times the images per class, from one method to the next


def ipc_curve(scene: Scene) -> Chart:
    """Return a panel for each exam and architecture in which images per class vary, a line for each method."""
    found = [(place, squares) for place, squares in scene.panels("architecture") if len(_counts(squares)) > 1]
    panels = (
        Panel(scene.title(place), place, lambda axes, squares=squares: _draw(axes, squares, scene))  # type: ignore[misc]  # the default binds the loop's value
        for place, squares in found
    )
    shown = [square for _, squares in found for square in squares]
    return chart(panels, map(scene.method, shown), _BARS, *flag_notes(shown, "hollow"))


def _counts(squares: Sequence[Square]) -> list[int]:
    return sorted({int(square.place["ipc"]) for square in squares})


def _draw(axes: Axes, squares: Sequence[Square], scene: Scene) -> None:
    lines = by_method(scene, squares)
    for number, (name, points) in enumerate(lines.items()):
        aside = _ASIDE ** (number - (len(lines) - 1) / 2)
        _line(axes, sorted(points, key=lambda square: int(square.place["ipc"])), scene, name, aside)
    counts = _counts(squares)
    axes.set_xscale("log")
    axes.set_xticks(counts, labels=map(str, counts))
    axes.minorticks_off()
    axes.set_xlabel("images per class")
    axes.set_ylabel("top-1 in %")
    grid_lines(axes, "y")


def _line(axes: Axes, points: Sequence[Square], scene: Scene, name: str, aside: float) -> None:
    colour, marker = scene.look(name)
    places = [int(point.place["ipc"]) * aside for point in points]
    means = [point.summary.mean for point in points]
    bars = [0.0 if math.isnan(point.summary.std) else point.summary.std for point in points]
    axes.errorbar(places, means, yerr=bars, color=colour, linewidth=1.3, elinewidth=0.9, capsize=2)
    for place, mean, point in zip(places, means, points, strict=True):
        (mark,) = axes.plot(place, mean, marker=marker, color=colour, markersize=5, mfc=filling(point, colour))
        mark.set_url(scene.link(point))
