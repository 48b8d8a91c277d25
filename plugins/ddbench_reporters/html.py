"""A page to look at."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar

from ddbench_reporters.charts.scene import Scene, documents_by_key
from ddbench_reporters.figure import require_matplotlib
from ddbench_reporters.grid import grid
from ddbench_reporters.page.behind import HEADER, cell
from ddbench_reporters.page.drawn import sections
from ddbench_reporters.page.heading import heading
from ddbench_reporters.page.pictures import galleries
from ddbench_reporters.spread import flags
from ddbench_reporters.tables import of_grid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddbench.types import RenderTask
    from ddbench_reporters.grid import Grid
    from ddbench_reporters.page.behind import Cell

_FILTERS = {"dataset": "data set", "ipc": "images per class", "labeler": "labels", "evaluator": "exam"}


@dataclass(frozen=True)
class Html:
    """A page that needs nothing but itself: tables, charts, images, and what stands behind every number."""

    version: ClassVar[int] = 1

    def render(self, task: RenderTask) -> str:
        """Return the page, the same for the same results.

        Raises:
            UserError: matplotlib is missing.
        """
        require_matplotlib()
        page: str = _template().render(_content(task))
        return page


def _content(task: RenderTask) -> dict[str, Any]:
    """Return what the template shows."""
    cells, documents = grid(task.frame, task.select), documents_by_key(task.documents)
    behind = {square.name: cell(number, square, documents) for number, square in enumerate(cells.squares)}
    told = {f"#cell-{each.number}": each.told for each in behind.values()}
    scene = Scene(cells, documents, lambda square: f"#cell-{behind[square.name].number}")
    style, script = ((files("ddbench_reporters") / "templates" / name).read_text("utf-8") for name in _PARTS)
    return {
        "heading": heading(cells, task.documents),
        "tables": of_grid(cells, task),
        "sections": list(sections(scene, told)),
        "galleries": galleries(cells, documents, task.images),
        "cells": behind,
        "trial_header": HEADER,
        "troubles": _troubles(cells, behind),
        "filters": _choices(cells),
        "style": style,
        "script": script,
        "allowed": f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'",
    }


_PARTS = ("page.css", "page.js")


def _choices(cells: Grid) -> list[tuple[str, str, list[str]]]:
    """Return what the page can be narrowed by: column, words for it and its values, where there are several."""
    found = [(name, words, _values(cells, name)) for name, words in _FILTERS.items()]
    return [each for each in found if len(each[2]) > 1]


def _values(cells: Grid, name: str) -> list[str]:
    values = list(dict.fromkeys(line.place[name] for line in cells.lines))
    return sorted(values, key=int) if name == "ipc" else values


def _troubles(cells: Grid, behind: Mapping[tuple[str, ...], Cell]) -> list[dict[str, Any]]:
    """Return the trials that failed or are flagged."""
    return [
        {"row": row, "cell": behind[square.name], "failed": row["status"] == "failed"}
        for square in cells.squares
        for row in square.rows
        if row["status"] == "failed" or flags([row])
    ]


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ddbench_reporters"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja")
