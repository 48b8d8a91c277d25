"""A trial's row of the frame, made from its result file, and the tidy table of such rows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ddbench.errors import printable
from ddbench.keys import canonical_json, digest
from ddbench.results import LAST, PUBLISHED, flag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

COLUMNS = (
    "dataset", "teacher", "synthesizer", "ipc", "labeler", "evaluator", "architecture", "synthesis_seed",
    "evaluation_seed", "precision", "data", "status", "top1", "top5", "top1_best", "top1_val", "loss",
    "calibration_error", "top1_corrupted", "teacher_top1",
    "squeeze_seconds", "pretrain_seconds", "prepare_seconds", "synthesize_seconds", "relabel_seconds",
    "evaluate_seconds", "peak_memory_bytes", "prepare_peak_memory_bytes",
    "synthesize_peak_memory_bytes", "synthesize_forward_images", "synthesize_backward_images",
    "image_bytes", "label_bytes", "reported", "reported_std", "reported_metric", "reported_accuracy",
    "reported_dataset", "reported_unreliable", "reported_source", "device", "key", "flag", "error", "started_at",
    "processor", "settings", "sources",
)  # fmt: skip

_MEASURES = ("top1", "top5", "top1_best", "top1_val", "loss", "calibration_error", "top1_corrupted")
COUNTS = ("ipc", "synthesis_seed", "evaluation_seed")
NUMBERS = (
    *_MEASURES, "teacher_top1", "reported", "reported_std",
    *(name for name in COLUMNS if name.endswith(("_seconds", "_bytes", "ward_images"))),
)  # fmt: skip
REPEATED = ("settings", "sources")
"""Long texts that many trials share: objects, for pandas' own texts would be a copy each."""

_FILLED = ("flag", "error")
_NOT_SETTINGS = ("seed", "index", "ipc", "data")


def row(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document as a row of the frame."""
    measures = (found["measures"] if found["status"] == "done" else None) or {}
    published, facts = found["reported"] or {}, found["stages"]["evaluate"]["facts"]
    costs = found["costs"]
    made = costs.get("synthesize", {})
    seconds = {f"{verb}_seconds": cost["seconds"] for verb, cost in costs.items()}
    values = {
        **found["trial"],
        **{name: measures.get(name) for name in _MEASURES},
        **seconds,
        "status": found["status"],
        "precision": facts["precision"],
        "data": digest(facts["data"])[:8],
        "prepare_peak_memory_bytes": costs.get("prepare", {}).get("peak_memory_bytes"),
        "synthesize_peak_memory_bytes": made.get("peak_memory_bytes"),
        "synthesize_forward_images": made.get("forward_images"),
        "synthesize_backward_images": made.get("backward_images"),
        "teacher_top1": (found["teacher"] or {}).get("top1"),
        "peak_memory_bytes": max((cost["peak_memory_bytes"] for cost in costs.values()), default=None),
        "image_bytes": found["bytes"]["images"],
        "label_bytes": found["bytes"]["labels"],
        "reported": published.get("top1"),
        "reported_metric": "top1" if published else None,
        "reported_accuracy": found.get("reports", LAST),
        **{f"reported_{name}": published.get(name) for name in PUBLISHED},
        "device": (found["environment"] or {}).get("device"),
        "processor": (found["environment"] or {}).get("cpu"),
        "key": found["key"],
        "flag": flag(found),
        "error": found["error"],
        "started_at": found["started_at"],
        "settings": sys.intern(canonical_json(settings(found))),
        "sources": sys.intern(canonical_json(_sources(found))),
    }
    return {column: values.get(column) for column in COLUMNS}


def _sources(found: Mapping[str, Any]) -> dict[str, str]:
    """Return digests of the code behind a trial: of its evaluation, and of what its other stages used beside."""
    others: dict[str, str] = {}
    for stage in (found.get("made") or {}).values():
        others |= stage.get("sources") or {}
    return others | (found.get("sources") or {})


def settings(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identities of a trial's parts, by kind: names, versions, every field; seeds and shared keys left out.

    ``data`` is the digest that the column of that name shows; ``teacher`` and ``generator`` are there where used.
    """
    stages = found["stages"]
    facts: dict[str, Any] = {}
    for stage in stages.values():
        facts |= {name: value for name, value in stage["facts"].items() if name not in _NOT_SETTINGS}
    return facts | {"data": digest(stages["evaluate"]["facts"]["data"])[:8]}


def tidy(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as a table; missing numbers are NaN.

    Raises:
        ValueError, TypeError, OverflowError: a number is none.
    """
    import pandas as pd

    shown = [_shown(each) for each in rows]
    return pd.DataFrame({name: _column(name, [each.get(name) for each in shown]) for name in COLUMNS})


def _column(name: str, values: list[Any]) -> pd.Series[Any]:
    """Return a column; its type is that of its name, but that a count which is missing somewhere is no int64."""
    import pandas as pd

    if name in NUMBERS:
        return pd.Series(values, dtype="float64")
    column = pd.Series(values, dtype=object)
    if name in COUNTS:
        counts = pd.to_numeric(column).astype("Int64")
        return counts if counts.isna().any() else counts.astype("int64")
    column = column.fillna("") if name in _FILLED else column
    return column if name in REPEATED else column.astype(text_type())


def text_type() -> Any:
    """Return what pandas makes of texts: its own type, or objects before pandas 3."""
    import pandas as pd

    return pd.Series(["text"]).dtype


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row that can be shown anywhere: errors and sources of numbers come from libraries and other people."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in row.items()}
