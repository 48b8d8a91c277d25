"""Metrics over a frame of trials, whatever ran them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ddbench.headline import headline
from ddbench.plugins import one_line
from ddbench.registry import registry
from ddbench.types import NUMBERS, MetricColumn

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ddbench.registry import Resolved
    from ddbench.spec import Spec
    from ddbench.types import Select

PREFIX = "metric:"
_COUNTS = ("ipc", "synthesis_seed", "evaluation_seed")
_TRIAL = [
    *("dataset", "data", "precision", "teacher", "synthesizer", "ipc", "labeler", "evaluator", "architecture"),
    *("synthesis_seed", "evaluation_seed"),
]


def scored(
    frame: pd.DataFrame, specs: Iterable[Spec], select: Select = "last"
) -> tuple[pd.DataFrame, tuple[MetricColumn, ...]]:
    """Return a frame with a column for each metric, and what to say of these columns.

    A column is named ``metric:`` and the metric's spec, float64, NaN where the value is not known: a trial failed, a
    reference is missing, either is flagged, or the row is what a paper reported. A metric that raises leaves its column
    empty and says so in its notes. ``select`` says which accuracy is a trial's number.

    Raises:
        UserError: no such metric, or a parameter that it has not.
    """
    frame = frame.reset_index(drop=True)
    trials = _trials(frame, select)
    columns = []
    for resolved in [registry().resolve("metric", spec) for spec in specs]:
        values, notes = _asked(resolved, trials)
        described = _described(resolved, notes)
        frame[described.column] = values.reindex(frame.index)
        columns.append(described)
    return frame, tuple(columns)


def values(frame: pd.DataFrame, metrics: Iterable[MetricColumn]) -> list[dict[str, float | None]]:
    """Return each row's values of metrics by column, as JSON can hold them: what is not known is None."""
    names = [metric.column for metric in metrics]
    known = frame[names].astype(object).where(frame[names].notna(), None)
    return [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]


def _trials(frame: pd.DataFrame, select: Select) -> pd.DataFrame:
    """Return what was measured, of each trial the newest, the selected accuracy under ``top1``, none if flagged."""
    measured = frame[frame["status"] != "reported"]
    newest = measured.sort_values("started_at", na_position="first").drop_duplicates(_TRIAL, keep="last").sort_index()
    selected = newest[NUMBERS[select]].astype("float64").where(newest["flag"].fillna("") == "")
    return newest.assign(top1=selected).astype(dict.fromkeys(_COUNTS, "int64"))


def _asked(resolved: Resolved, trials: pd.DataFrame) -> tuple[pd.Series[float], tuple[str, ...]]:
    import pandas as pd

    component = resolved.component
    try:
        values = component.score(trials.copy())
        if not isinstance(values, pd.Series) or not values.index.equals(trials.index):
            raise TypeError("expected a Series with one value for each row, under the frame's index")
        notes = component.notes(trials.copy()) if hasattr(component, "notes") else ()
        return values.astype("float64"), tuple(notes)
    except Exception as error:  # noqa: BLE001 - whatever a metric raises, the accuracies must be shown
        return pd.Series(math.nan, trials.index), (f"{resolved.short} failed: {one_line(error)}",)


def _described(resolved: Resolved, notes: tuple[str, ...]) -> MetricColumn:
    target: Any = type(resolved.component)
    name, summary = str(resolved.short), headline(resolved.entry)[0]
    return MetricColumn(PREFIX + name, name, target.unit, target.higher_is_better, summary, notes)
