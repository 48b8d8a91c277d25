"""One measure, class by class, of several methods in one figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddbench.kit.drawing import figure, look
from ddbench_diagnostics.classes import class_labels, shown_classes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ddbench.types import ComparisonTask

MEAN = "mean of all classes"


@dataclass(frozen=True)
class Chart:
    """What a chart shows: a measure, the words at its axis, the most classes, and a value to draw a line at."""

    measure: str
    axis: str
    classes: int
    reference: float | None = None


def chart(task: ComparisonTask, shown: Chart) -> Figure | None:
    """Draw a row for each class and one for their mean, a mark for each method; None where no method has a value.

    A mark is the mean over synthesis seeds, its bar one standard deviation to each side where there are several.
    """
    frame = task.frame[task.frame["measure"] == shown.measure].dropna(subset="value")
    if frame.empty:
        return None
    names = class_labels(task.data)
    rows = [MEAN, *(names[label] for label in shown_classes(task.data, shown.classes, task.compute.seed))]
    methods = list(frame.groupby(["synthesizer", "ipc"], sort=False))
    drawn = figure(6.4, 1.3 + 0.22 * len(methods) + len(rows) * (0.16 + 0.09 * len(methods)))
    axes = drawn.add_subplot()
    if shown.reference is not None:
        axes.axvline(shown.reference, color="0.3", linestyle="--", linewidth=1, zorder=1)
    for number, ((synthesizer, ipc), trials) in enumerate(methods):
        lift = 0.7 * ((number + 0.5) / len(methods) - 0.5)
        places = [row + lift for row in range(len(rows))]
        _draw(axes, trials, rows, places, number, f"{synthesizer}, ipc {ipc}")
    _label(axes, rows, shown.axis)
    axes.set_title(task.data.name, loc="left", fontsize="medium")
    bars = "bars: one standard deviation over synthesis seeds" if frame["synthesis_seed"].nunique() > 1 else None
    drawn.legend(loc="outside lower left", frameon=False, fontsize="small", title=bars, alignment="left")
    return drawn


def _draw(axes: Axes, trials: pd.DataFrame, rows: list[str], places: list[float], number: int, name: str) -> None:
    by_row = trials.assign(row=trials["class"].replace("", MEAN)).groupby("row")["value"]
    means, deviations = by_row.mean().reindex(rows), by_row.std().reindex(rows).fillna(0.0)
    colour, marker = look(number)
    axes.errorbar(
        means, places, xerr=deviations, label=name, color=colour, marker=marker, linestyle="none", markersize=4.5
    )


def _label(axes: Axes, rows: list[str], words: str) -> None:
    axes.set_xlabel(words)
    axes.set_ylabel("class")
    axes.set_yticks(range(len(rows)), labels=rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.axhline(0.5, color="0.8", linewidth=0.8)
    axes.grid(axis="x", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
