"""Promises of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddbench.spec import Spec
from ddbench.testing import story
from ddbench.testing.conformance.declaration import check_component
from ddbench.testing.conformance.promises import promise, promised
from ddbench.types import Cell, Sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd

    from ddbench.protocols import Metric

_TEACHER = Spec.of("train", {"architecture": "toy-net"})
CELL = Cell(
    Spec("toy"), _TEACHER, Spec("toy-synth"), 2, Spec("toy-labels"), Spec("toy-exam"), Spec.of("toy-net", {"width": 4})
)
SIZES = (Sizes(5000, 192, 20, 3840), Sizes(200, 192, 20, 3840), Sizes(None, 192, 20, 3840))


def check_metric(component: Metric) -> None:
    """Check that references are cells, and that scores are one number a trial, whatever else is in the frame."""
    check_component(component, "higher_is_better")
    with promise("says the unit of its values"):
        unit = getattr(type(component), "unit", None)
        promised(component, isinstance(unit, str) and bool(unit), "has no 'unit', a ClassVar[str] such as \"fraction\"")
    _check_references(component, component.needs)
    if hasattr(component, "sized"):
        for sizes in SIZES:
            _check_references(component, _sized(component, sizes))
    _check_scores(component)
    if hasattr(component, "notes"):
        with promise("tells its notes in lines of text"):
            notes = list(component.notes(story.frame()))
            promised(component, all(isinstance(note, str) for note in notes), "has notes that are not text")


def _sized(component: Any, sizes: Sizes) -> Callable[[Cell], Iterable[Cell]]:
    return lambda cell: component.sized(cell, sizes)


def _check_references(component: Metric, ask: Callable[[Cell], Iterable[Cell]]) -> None:
    with promise("needs cells, the same at every call"):
        first, again = list(ask(CELL)), list(ask(CELL))
        promised(component, all(isinstance(each, Cell) for each in first), "needs something else than cells")
        promised(component, first == again, "needs other cells when asked again")
    with promise("compares within one data set and one teacher"):
        elsewhere = [each for each in first if (each.dataset, each.teacher) != (CELL.dataset, CELL.teacher)]
        promised(component, not elsewhere, "needs cells of another data set or teacher")


def _check_scores(component: Metric) -> None:
    frame = story.frame()
    with promise("gives one number a trial, under the index of the frame", vital=True):
        values = _scores(component, frame)
        promised(component, _scores(component, frame).equals(values), "gives other values when asked again")
    with promise("leaves the results as they were"):
        promised(component, frame.equals(story.frame()), "changes the frame that it was handed")
    with promise("has no value where the trial failed"):
        failed = values[frame["status"] == "failed"]
        promised(component, bool(failed.isna().all()), "gives a value to a trial that failed")
    with promise("scores a trial the same wherever it stands in the frame"):
        turned = _scores(component, frame.iloc[::-1])
        promised(component, turned.sort_index().equals(values), "gives other values when rows come in another order")
    with promise("copes with a frame without trials, and with one alone"):
        _scores(component, frame.iloc[:0])
        _scores(component, frame.iloc[:1])


def _scores(component: Metric, frame: pd.DataFrame) -> pd.Series[float]:
    import pandas as pd

    values: Any = component.score(frame)
    promised(component, isinstance(values, pd.Series), "gives something else than a Series")
    promised(component, values.index.equals(frame.index), "gives values that are not under the index of the frame")
    promised(component, pd.api.types.is_float_dtype(values.dtype), f"gives values of {values.dtype}, not float64")
    finite = values.dropna().abs() < float("inf")
    promised(component, bool(finite.all()), "gives infinite values")
    return values  # type: ignore[no-any-return]  # it is the Series from above
