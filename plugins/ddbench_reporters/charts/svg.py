"""Panels as SVG inside a page: text and axes in the page's colours, names that clash with no other figure's."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from html import escape
from typing import TYPE_CHECKING

from ddbench.kit.drawing import COLOURS
from ddbench_reporters.charts.panel import INK, RULE, alone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from matplotlib.figure import Figure

    from ddbench_reporters.charts.panel import Panel

_ROLES = {
    INK: "currentColor",
    RULE: "var(--rule)",
    **{colour.lower(): f"var(--series-{number})" for number, colour in enumerate(COLOURS)},
}
_FONT = re.compile(r"(font-family: |font: [^;'\"]*px )'[^;\"]*")


def inline(panel: Panel, prefix: str, told: Mapping[str, str]) -> str:
    """Return a panel as an SVG element.

    Args:
        panel: what to draw.
        prefix: begins every name in the picture; another for each picture of a page.
        told: what to show over a link, by its address.
    """
    with plain_style(fonttype="none"):
        text = written(alone(panel)).decode()
    return _themed(text[text.index("<svg") :], prefix, told)


@contextlib.contextmanager
def plain_style(fonttype: str = "path") -> Iterator[None]:
    """Draw in matplotlib's own style whatever the user's, the same bytes for the same figure.

    ``fonttype`` says what text becomes: ``path``, outlines, or ``none``, text in whatever font the reader has.
    """
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["svg.fonttype"], mpl.rcParams["svg.hashsalt"] = fonttype, "ddbench"
        yield


def written(figure: Figure) -> bytes:
    """Return a figure as SVG, without the day it was drawn on."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a letter that the font lacks: the browser has others
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return file.getvalue()


def _themed(svg: str, prefix: str, told: Mapping[str, str]) -> str:
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|url\(#)', rf"\1{prefix}", svg)
    svg = re.sub(r'(xlink:href="#)(?!cell-)', rf"\1{prefix}", svg)
    svg = re.sub(r'(<a xlink:href="(#cell-\d+)") target="_blank">', lambda found: _link(found, told), svg)
    svg = re.sub("|".join(_ROLES), lambda found: _ROLES[found[0]], svg)
    return _FONT.sub(r"\1var(--font)", svg)


def _link(found: re.Match[str], told: Mapping[str, str]) -> str:
    return f"{found[1]}><title>{escape(told.get(found[2], ''))}</title>"
