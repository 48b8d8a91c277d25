"""What all figures share: colours that the colour-blind tell apart, and markers that tell without colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The palette of Okabe and Ito (2008) without its yellow, which is lost on white."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p")
"""As many as is prime to the number of colours, so that 77 pairs differ."""


def look(number: int) -> tuple[str, str]:
    """Return colour and marker of the n-th of several."""
    return COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches; it belongs to nobody but its caller."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=150, layout="constrained")
