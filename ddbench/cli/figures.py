"""Figures on disk: the same bytes from the same numbers, on whatever machine matplotlib is set up."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError
from ddbench.results import slug
from ddbench.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.figure import Figure

    from ddbench.analysis import Finding

_FORMATS: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""File formats, and what matplotlib would write into each of itself and of the day."""

_OF_DIAGNOSTICS = ("png", "svg")
_TRUETYPE = 42  # a font that journals accept, and that a reader can search


def require_matplotlib() -> None:
    """Raise a UserError unless matplotlib is installed."""
    if find_spec("matplotlib") is None:
        raise UserError("figures need matplotlib: pip install 'ddbench[figures]'")


@contextmanager
def plain_style() -> Iterator[None]:
    """Draw in matplotlib's own style whatever the user's, names in SVG files drawn from a fixed salt."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["svg.hashsalt"] = "ddbench"
        mpl.rcParams["pdf.fonttype"] = _TRUETYPE
        yield


def require_format(path: Path) -> None:
    """Raise a UserError unless a figure can be written in the format of a file's ending."""
    if path.suffix[1:] not in _FORMATS:
        raise UserError(f"figure {path}: expected a name that ends in .{', .'.join(_FORMATS)}")


def write(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the file's ending.

    Raises:
        UserError: it cannot be written.
    """
    form = path.suffix[1:]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # it is drawn as a box
        write_whole(path, lambda draft: figure.savefig(draft, format=form, metadata=_FORMATS[form]), "figure")


def save(finding: Finding, folder: Path) -> list[Path]:
    """Write a figure in every format, under data set and method like a result file; returns the files.

    Raises:
        UserError: they cannot be written.
    """
    stem = folder / place(finding)
    files = [stem.with_name(f"{stem.name}.{form}") for form in _OF_DIAGNOSTICS]
    for file in files:
        write(finding.outcome, file)
    return files


def place(finding: Finding) -> str:
    """Return where a figure lies in its folder, without the ending."""
    chosen = finding.looked_at
    cell, diagnostic = chosen.cell, slug(str(finding.diagnostic))
    above, teacher = slug(str(cell.dataset)), slug(str(cell.teacher))
    if finding.verb == "compare":
        return f"{above}/{diagnostic}-{teacher}"
    name = f"{diagnostic}-{teacher}-synth{chosen.seed}-{chosen.key[:8]}"
    return f"{above}/{slug(str(cell.synthesizer))}/ipc{cell.ipc}/{name}"
