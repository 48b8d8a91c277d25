"""Charts of the page: panels as SVG, and a legend of small pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddbench.kit.drawing import COLOURS
from ddbench_reporters.charts.kinds import CHARTS
from ddbench_reporters.charts.svg import inline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ddbench_reporters.charts.kinds import Kind
    from ddbench_reporters.charts.panel import Chart
    from ddbench_reporters.charts.scene import Scene

TITLES: dict[Kind, str] = {
    "heatmap": "Across architectures",
    "ipc-curve": "Accuracy over images per class",
    "cost": "Accuracy against cost",
    "curves": "Training curves",
}
_SIZE = 10.0  # of a marker in a legend


@dataclass(frozen=True)
class Sign:
    """An entry of a legend: a marker as an SVG path, its colour, and what it stands for."""

    name: str
    path: str
    colour: str


@dataclass(frozen=True)
class Picture:
    """A panel as an SVG element, and the cells that it shows."""

    svg: str
    title: str
    place: Mapping[str, str]


@dataclass(frozen=True)
class Section:
    """A chart of the page; where nothing is drawn, ``empty`` says why."""

    kind: Kind
    title: str
    pictures: tuple[Picture, ...]
    legend: tuple[Sign, ...]
    notes: tuple[str, ...]
    across: int
    left_out: int
    empty: str


def sections(scene: Scene, told: Mapping[str, str]) -> Iterator[Section]:
    """Yield every kind of chart of a page; ``told`` holds what to show over a link, by its address."""
    for kind, title in TITLES.items():
        make, empty = CHARTS[kind]
        shown = make(scene)
        pictures = tuple(
            Picture(inline(panel, f"{kind}-{number}-", told), panel.title, panel.place)
            for number, panel in enumerate(shown.panels)
        )
        yield Section(kind, title, pictures, _signs(shown, scene), shown.notes, shown.across, shown.left_out, empty)


def _signs(shown: Chart, scene: Scene) -> tuple[Sign, ...]:
    return tuple(_sign(name, *scene.look(name)) for name in shown.legend) if shown.panels else ()


def _sign(name: str, colour: str, marker: str) -> Sign:
    return Sign(name, _path(marker), f"var(--series-{COLOURS.index(colour)})")


def _path(marker: str) -> str:
    """Return a marker's outline around the origin."""
    from matplotlib.markers import MarkerStyle

    style = MarkerStyle(marker)
    outline = style.get_path().transformed(style.get_transform())
    polygons: list[Any] = outline.to_polygons(closed_only=False)
    return " ".join(f"M{' L'.join(f'{_SIZE * x:.2f},{-_SIZE * y:.2f}' for x, y in each)}Z" for each in polygons)
