"""The pandas frame that result files make: tidy, one row a trial."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbench import reported
from ddbench.errors import UserError
from ddbench.repeats import once
from ddbench.results import Documents
from ddbench.rows import COLUMNS, row, tidy
from ddbench.sources import joined, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from ddbench.reported import Reported

_CELL = COLUMNS[: COLUMNS.index("synthesis_seed")]


def frame(documents: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return documents as a tidy frame, one row a trial; missing numbers are NaN."""
    return tidy(row(found) for found in documents)


def beside(measured: pd.DataFrame, rows: Iterable[Reported]) -> pd.DataFrame:
    """Return a frame with the published numbers ``rows`` in place of those that its files hold.

    A number that no trial belongs to, and each that is not an accuracy, is a row of its own, with the status
    ``reported`` and nothing measured. One of images instead of students has the coordinates of each set of images
    that it belongs to.
    """
    rows = tuple(rows)
    trials: list[dict[str, Any]] = [
        dict(zip(COLUMNS, trial, strict=True)) for trial in measured.itertuples(index=False)
    ]
    blank = dict.fromkeys(name for name in COLUMNS if name.startswith("reported") and name != "reported_accuracy")
    cells = {_cell(trial): trial for trial in trials}  # its seeds have one number
    found = {cell: reported.of_cell(rows, trial) for cell, trial in cells.items()}
    told = [found[_cell(trial)] for trial in trials]
    told_beside = [trial | (blank if row is None else row.columns()) for trial, row in zip(trials, told, strict=True)]
    measured_too = set(found.values())
    alone = [each for row in rows if row not in measured_too for each in _alone(row, trials)]
    return tidy(told_beside + alone)


def _cell(trial: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(trial[name] for name in _CELL)


def _alone(row: Reported, trials: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    images = ("dataset", "teacher", "synthesizer", "ipc")
    sets = {tuple(trial[name] for name in images) for trial in trials if not row.top1 and row.matches(trial)}
    return [row.alone() | dict(zip(images, found, strict=True)) for found in sorted(sets)] or [row.alone()]


def load(*sources: str | Path) -> pd.DataFrame:
    """Load results as a frame, one row a trial: folders of result files, and what ``ddbench export`` wrote.

    Columns are the trial's coordinates (``dataset`` .. ``evaluation_seed``), ``status`` (``done`` or ``failed``),
    accuracies in percent (``top1`` after the last epoch, ``top1_best`` and ``top1_val`` at epochs selected on the test
    split and on held-out images, ``top1_corrupted``), costs in seconds and bytes, ``key``, and ``flag``, which is not
    empty for a file whose key does not recompute from its settings. What a paper reported is ``reported`` with its
    ``reported_std``; of which ``reported_metric`` (``top1``) on which ``reported_dataset``; ``reported_accuracy``, what
    the exam's authors print, ``last`` (``top1``) or ``best`` (``top1_best``); ``reported_unreliable``, why it is in
    doubt, empty for most; and ``reported_source``. ``settings`` and ``sources`` are JSON: every field and version of
    the components, and digests of the code that ran. A trial that is found more than once is one row
    (:class:`Gathered`).

    Raises:
        UserError: no such folder or file, or it holds something else than results.
    """
    return gather(*sources, strict=True).frame


@dataclass(frozen=True)
class Gathered:
    """Results from folders, result files and exports.

    Attributes:
        frame: a row a trial. Of a trial that is found more than once the newest sound result is taken.
        documents: the result files behind the rows, read when they are asked for; a row of an export has none.
        bad: what could not be read, a line each.
        repeated: one line on trials that were found more than once, else empty.
    """

    frame: pd.DataFrame
    documents: Sequence[Mapping[str, Any]]
    bad: tuple[str, ...] = ()
    repeated: str = ""


def gather(*sources: str | Path, strict: bool = False) -> Gathered:
    """Gather results, as ``load`` does, and go on where a file cannot be read, unless ``strict``.

    Raises:
        UserError: no such folder or file, nothing but files that cannot be read, or with ``strict`` the first of them.
    """
    bad: list[UserError] = []
    found = joined([read(Path(source), _refuse if strict else bad.append) for source in sources])
    if bad and not len(found.table):
        raise UserError(str(bad[0]) + (f" (and {len(bad) - 1} more such files)" if bad[1:] else ""))
    chosen, repeated = once(found)
    return Gathered(chosen.table, Documents(chosen.files), tuple(map(str, bad)), repeated)


def _refuse(error: UserError) -> None:
    raise error
