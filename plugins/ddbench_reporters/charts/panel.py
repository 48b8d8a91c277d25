"""Panels, and figures of several."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddbench.kit.drawing import figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ddbench_reporters.charts.scene import Scene

MOST = 12
INK = "#1b1f24"
RULE = "#d0d4da"
_TITLE = 15  # characters of a title in an inch
_LEGEND = 13  # characters of a legend in an inch
_LINE = 6  # characters that the line before a name takes


@dataclass(frozen=True)
class Panel:
    """One pair of axes. ``place`` says which cells it shows; sizes are in inches, ``margin`` is left of the axes."""

    title: str
    place: Mapping[str, str]
    draw: Callable[[Axes], None]
    width: float = 3.5
    height: float = 2.7
    margin: float = 0.5


@dataclass(frozen=True)
class Chart:
    """A figure to be: panels, the methods that its legend names, and what to say under it.

    Attributes:
        across: panels in a row of a figure.
        left_out: how many panels there are beyond those that are drawn.
    """

    panels: tuple[Panel, ...]
    legend: tuple[str, ...]
    notes: tuple[str, ...]
    across: int
    left_out: int


def chart(panels: Iterable[Panel], legend: Iterable[str], *notes: str, across: int = 3) -> Chart:
    """Make a chart of the first panels, as many as one can take in."""
    every = tuple(panels)
    return Chart(every[:MOST], tuple(dict.fromkeys(legend)), notes, across, max(0, len(every) - MOST))


def paint(panel: Panel, axes: Axes) -> None:
    """Draw a panel's content, title and frame."""
    panel.draw(axes)
    across = int(_TITLE * (panel.width - panel.margin))
    axes.set_title("\n".join(textwrap.wrap(literal(panel.title), across)), loc="left", fontsize=8.5, color=INK)
    axes.tick_params(labelsize=8, colors=INK, length=2.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(fontsize=8, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.set_axisbelow(True)


def alone(panel: Panel) -> Figure:
    """Return a figure of one panel."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    drawn = Figure(figsize=(panel.width, panel.height))
    paint(panel, drawn.add_subplot())
    ConstrainedLayoutEngine().execute(drawn)  # once; as the figure's own it would be laid out at every drawing
    return drawn


def together(shown: Chart, scene: Scene) -> Figure:
    """Return a figure of all panels with one legend."""
    across = min(shown.across, len(shown.panels))
    down = math.ceil(len(shown.panels) / across)
    sizes = (max(panel.width for panel in shown.panels), max(panel.height for panel in shown.panels))
    columns = _columns(shown.legend, across, sizes[0])
    drawn = figure(sizes[0] * across, sizes[1] * down + 0.22 * math.ceil(len(shown.legend) / columns) + 0.1)
    every = drawn.subplots(down, across, squeeze=False).flatten()
    for panel, axes in zip(shown.panels, every, strict=False):
        paint(panel, axes)
    for axes in every[len(shown.panels) :]:
        axes.remove()
    if shown.legend:
        drawn.legend(handles=_handles(shown, scene), loc="outside lower left", ncols=columns, frameon=False, fontsize=8)
    return drawn


def _columns(names: Iterable[str], across: int, width: float) -> int:
    """Return how many columns of a legend fit below panels of a width in inches: one for each panel, or fewer."""
    longest = _LINE + max(map(len, names), default=0)
    return max(1, min(across, int(across * width * _LEGEND / longest)))


def wording(text: str) -> Figure:
    """Return a figure of one sentence."""
    drawn = figure(5.0, 0.6)
    drawn.text(0.02, 0.5, literal(text), fontsize=9, color=INK, va="center")
    return drawn


def _handles(shown: Chart, scene: Scene) -> list[object]:
    from matplotlib.lines import Line2D

    looks = [(name, *scene.look(name)) for name in shown.legend]
    return [
        Line2D([], [], color=colour, marker=marker, markersize=5, linewidth=1.3, label=literal(name))
        for name, colour, marker in looks
    ]


def literal(text: str) -> str:
    """Return text for matplotlib to draw as it is, dollar signs included."""
    return text.replace("$", r"\$")


def grid_lines(axes: Axes, axis: str = "both") -> None:
    """Draw faint lines at the ticks."""
    axes.grid(axis=axis, color=RULE, linewidth=0.6)  # type: ignore[arg-type]  # one of its three words
