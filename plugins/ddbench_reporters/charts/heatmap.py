"""Accuracy by method and evaluation architecture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ddbench_reporters.charts.panel import INK, Chart, Panel, chart, literal
from ddbench_reporters.charts.scene import Scene, by_method, flag_notes
from ddbench_reporters.layout import GAP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from ddbench_reporters.grid import Square

EMPTY = "nothing to draw: no exam has two or more evaluation architectures"
_NOTE = "top-1 in %, the lighter the higher, each panel on a scale of its own"
_LABEL = 26  # characters of a label in a line
_DARK, _LIGHT = "#10131a", "#ffffff"


def heatmap(scene: Scene) -> Chart:
    """Return a panel for each exam and count of images, a row for each method, a column for each architecture."""
    found = [(place, squares) for place, squares in scene.panels("ipc") if len(_architectures(squares)) > 1]
    panels = (
        Panel(
            scene.title(place),
            place,
            lambda axes, squares=squares: _draw(axes, squares, scene),  # type: ignore[misc]  # the default binds the loop's value
            width=1.9 + 0.62 * len(_architectures(squares)),
            height=1.35 + 0.27 * len(by_method(scene, squares)),
            margin=0.3 + 0.065 * min(_LABEL, max(map(len, by_method(scene, squares)))),
        )
        for place, squares in found
    )
    return chart(panels, (), _NOTE, *flag_notes((square for _, squares in found for square in squares), "*"))


def _architectures(squares: Sequence[Square]) -> list[str]:
    return list(dict.fromkeys(square.place["architecture"] for square in squares))


def _draw(axes: Axes, squares: Sequence[Square], scene: Scene) -> None:
    rows, columns = by_method(scene, squares), _architectures(squares)
    at = {(scene.method(square), square.place["architecture"]): square for square in squares}
    means = [[_mean(at.get((row, column))) for column in columns] for row in rows]
    axes.pcolormesh(means, cmap="cividis", edgecolors="none", linewidth=0)
    known = [mean for row in means for mean in row if not math.isnan(mean)]
    middle = 0.45 * min(known) + 0.55 * max(known)
    for down, row in enumerate(rows):
        for across, column in enumerate(columns):
            _write(axes, (across + 0.5, down + 0.5), at.get((row, column)), scene, middle)
    axes.set_xticks(
        [place + 0.5 for place in range(len(columns))], labels=map(literal, columns), rotation=35, ha="right"
    )
    axes.set_yticks([place + 0.5 for place in range(len(rows))], labels=[_broken(row) for row in rows])
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.spines[["left", "bottom"]].set_visible(False)


def _mean(square: Square | None) -> float:
    return math.nan if square is None else square.summary.mean


def _write(axes: Axes, at: tuple[float, float], square: Square | None, scene: Scene, middle: float) -> None:
    """Write a square's mean: dark on what is lighter than the middle of the scale, else light."""
    words, colour, link = GAP, INK, None
    if square is not None:
        words = f"{square.summary.mean:.1f}{'*' if square.flagged else ''}"
        colour, link = _DARK if square.summary.mean >= middle else _LIGHT, scene.link(square)
    axes.text(*at, words, ha="center", va="center", fontsize=8, color=colour, url=link)


def _broken(name: str) -> str:
    """Break a long spec before its parameters, and cut what is longer still."""
    lines = name.replace("[", "\n[", 1).split("\n") if len(name) > _LABEL else [name]
    return literal("\n".join(line if len(line) <= _LABEL else f"{line[: _LABEL - 1]}…" for line in lines))
