"""The table of what was measured beside what a paper printed, one row a number; gaps stay gaps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ddbench_reporters.layout import CELL, GAP, SETTINGS, Number, Table, size
from ddbench_reporters.spread import Spread, flags, of_values, spread, with_failures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

_IMAGES = ["dataset", "teacher", "synthesizer", "ipc"]
_TEXTS = ("reported_metric", "reported_dataset", "reported_unreliable", "reported_source")
_WHAT = {
    "top1": "top-1 in %",
    "seconds_per_ipc": "s per ipc",
    "peak_memory_bytes": "peak memory",
}
_ACCURACY = {
    "last": "the accuracy after the last epoch",
    "best": "the best accuracy on the test split during training",
}
_FAR = "> 2 s.d."
_LEGEND = (
    f"difference: measured less paper; {_FAR}: further apart than two standard deviations, the measured and the "
    "paper's together (root of the sum of squares), or whichever is known"
)


@dataclass(frozen=True)
class _Row:
    """One published number, and what was measured of the same.

    ``cell`` is text by column of the frame; ``flagged`` counts trials, and is None where nothing was tried.
    """

    cell: dict[str, str]
    metric: str
    accuracy: str
    measured: Spread
    shown: str
    paper: float
    std: float
    published_for: str
    unreliable: str
    source: str
    flagged: int | None = None

    @property
    def difference(self) -> float:
        return self.measured.mean - self.paper if self.measured.n else math.nan

    @property
    def far(self) -> bool:
        known = [value for value in (self.measured.std, self.std) if not math.isnan(value)]
        return bool(known) and abs(self.difference) > 2 * math.hypot(*known)

    def numbers(self) -> tuple[str, str, str, str]:
        marks = [*([_FAR] if self.far else []), *(["unreliable"] if self.unreliable else [])]
        if self.metric == "peak_memory_bytes":
            return size(self.measured.mean), size(self.paper), _signed_size(self.difference), ", ".join(marks)
        paper = _printed(self.paper) + ("" if math.isnan(self.std) else f" ± {_printed(self.std)}")
        difference = GAP if math.isnan(self.difference) else f"{self.difference:+.1f}"
        return self.shown, paper, difference, ", ".join(marks)


def beside(measured: pd.DataFrame, alone: pd.DataFrame) -> Table | None:
    """Return the table, or None where no paper's number is at hand.

    Args:
        measured: trials; those with a published accuracy have it in ``reported``.
        alone: published numbers that are rows of their own.
    """
    if alone.empty and measured["reported"].isna().all():
        return None
    rows = _ordered([*_of_cells(measured), *(_of_number(number, measured) for _, number in alone.iterrows())])
    shown = [name for name in SETTINGS if len(_values(rows, name)) > 1] + ["synthesizer", "ipc", "architecture"]
    metrics = list(dict.fromkeys(row.metric for row in rows))
    header = (*shown, *(["number"] if len(metrics) > 1 else []), "measured", "paper", "difference", "mark")
    body = tuple(
        (*(row.cell[name] for name in shown), *([_WHAT[row.metric]] if len(metrics) > 1 else []), *row.numbers())
        for row in rows
    )
    what = [_WHAT[metrics[0]]] if len(metrics) == 1 else []
    same = [f"dataset {value}" for value in _values(rows, "dataset")] if "dataset" not in shown else []
    title = f"beside the paper: {', '.join((*what, *same))}"
    places = tuple({name: value for name, value in row.cell.items() if value != GAP} for row in rows)
    return Table(title, header, body, 4, tuple(_notes(rows, shown)), places, _behind(rows, len(header) - 4))


def _behind(rows: list[_Row], first: int) -> dict[tuple[int, int], Number]:
    """Return what stands behind the numbers, the first of them in a column."""
    found = {}
    for place, row in enumerate(rows):
        if row.flagged is not None:
            cell = tuple(row.cell[name] for name in CELL)
            found[place, first] = Number(row.measured.mean, cell, flagged=row.flagged)
        elif row.measured.n:
            found[place, first] = Number(row.measured.mean)
        found[place, first + 1] = Number(row.paper)
        found[place, first + 2] = Number(row.difference)
    return found


def _of_cells(measured: pd.DataFrame) -> Iterator[_Row]:
    for _, trials in measured.groupby(list(CELL), sort=False, dropna=False):
        published = trials[trials["reported"].notna()]
        if published.empty:
            continue
        number = published.iloc[0]
        accuracy = number["reported_accuracy"]
        rows = [{str(name): value for name, value in row.items()} for row in trials.to_dict("records")]
        summary = spread(rows, "top1_best" if accuracy == "best" else "top1")
        yield replace(_row(number, summary, with_failures(summary, rows), accuracy), flagged=flags(rows))


def _of_number(number: pd.Series[Any], measured: pd.DataFrame) -> _Row:
    summary = _cost(number, measured)
    return _row(number, summary, str(summary), "")


def _cost(number: pd.Series[Any], measured: pd.DataFrame) -> Spread:
    """Summarise what the images cost that a number is of, over distillations."""
    metric, trials = number["reported_metric"], measured
    if metric == "top1":
        return Spread(math.nan, math.nan, 0)
    for name in _IMAGES:
        trials = trials[trials[name] == number[name]]
    made = trials.drop_duplicates("synthesis_seed")
    costs = {
        "seconds_per_ipc": made["synthesize_seconds"] / made["ipc"],
        "peak_memory_bytes": made["synthesize_peak_memory_bytes"],
    }
    return of_values(costs[metric].dropna().tolist())


def _row(number: pd.Series[Any], summary: Spread, shown: str, accuracy: str) -> _Row:
    missing = number.isna()
    text = {name: "" if missing[name] else str(number[name]) for name in (*CELL, *_TEXTS)}
    return _Row(
        cell={name: text[name] or GAP for name in CELL},
        metric=text["reported_metric"],
        accuracy=accuracy,
        measured=summary,
        shown=shown,
        paper=float(number["reported"]),
        std=float(number["reported_std"]),
        published_for=text["reported_dataset"],
        unreliable=text["reported_unreliable"],
        source=text["reported_source"],
    )


def _ordered(rows: list[_Row]) -> list[_Row]:
    """Order as the main table does: as the run did, by ipc within a method; what nobody measured comes after."""
    places = {name: list(dict.fromkeys(row.cell[name] for row in rows)) for name in CELL}

    def place(row: _Row) -> tuple[int, ...]:
        ipc = row.cell["ipc"]
        found = {name: places[name].index(row.cell[name]) for name in CELL}
        return tuple((found | {"ipc": int(ipc) if ipc != GAP else 0}).values())

    return sorted(rows, key=place)


def _values(rows: Iterable[_Row], name: str) -> list[str]:
    return [value for value in dict.fromkeys(row.cell[name] for row in rows) if value != GAP]


def _notes(rows: list[_Row], shown: list[str]) -> Iterator[str]:
    yield _LEGEND
    for accuracy in dict.fromkeys(row.accuracy for row in rows if row.accuracy and row.measured.n):
        exams = ", ".join(dict.fromkeys(row.cell["evaluator"] for row in rows if row.accuracy == accuracy))
        yield f"measured by {exams}: {_ACCURACY.get(accuracy, accuracy)}, which the exam's authors print"
    with_ = [f"{name} {value}" for name in ("teacher", "labeler") if name not in shown for value in _values(rows, name)]
    if with_:
        yield f"measured with {', '.join(with_)}"
    for published, own in dict.fromkeys((row.published_for, row.cell["dataset"]) for row in rows):
        if published and published != own:
            yield f"published for {published}, measured on {own}"
    yield from (f"paper: {source}" for source in dict.fromkeys(row.source for row in rows))
    yield from (f"unreliable: {reason}" for reason in dict.fromkeys(row.unreliable for row in rows) if reason)


def _printed(value: float) -> str:
    """Write a paper's number as it was printed, with one digit after the point at least."""
    return f"{value:.1f}" if math.isclose(value, round(value, 1), abs_tol=1e-9) else f"{value:g}"


def _signed_size(value: float) -> str:
    return GAP if math.isnan(value) else f"{'+' if value >= 0 else '-'}{size(abs(value))}"
