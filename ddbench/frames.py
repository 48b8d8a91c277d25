"""The pandas frame that result files make: tidy, one row a trial."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbench import exports, reported
from ddbench.keys import canonical_json, digest
from ddbench.results import LAST, PUBLISHED, files, flag, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from ddbench.reported import Reported

COLUMNS = (
    "dataset", "teacher", "synthesizer", "ipc", "labeler", "evaluator", "architecture", "synthesis_seed",
    "evaluation_seed", "precision", "data", "status", "top1", "top5", "top1_best", "loss", "teacher_top1",
    "squeeze_seconds", "pretrain_seconds", "prepare_seconds", "synthesize_seconds", "relabel_seconds",
    "evaluate_seconds", "peak_memory_bytes", "prepare_peak_memory_bytes",
    "synthesize_peak_memory_bytes", "synthesize_forward_images", "synthesize_backward_images",
    "image_bytes", "label_bytes", "reported", "reported_std", "reported_metric", "reported_accuracy",
    "reported_dataset", "reported_unreliable", "reported_source", "device", "key", "flag", "error", "started_at",
    "settings", "sources",
)  # fmt: skip

_NUMBERS = {"top1", "top5", "top1_best", "loss", "teacher_top1", "reported", "reported_std"}
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
        **{name: measures.get(name) for name in ("top1", "top5", "top1_best", "loss")},
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
        "key": found["key"],
        "flag": flag(found),
        "error": found["error"],
        "started_at": found["started_at"],
        "settings": canonical_json(settings(found)),
        "sources": canonical_json(found.get("sources") or {}),
    }
    return {column: values.get(column) for column in COLUMNS}


def settings(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identities of a trial's parts, by kind: names, versions, every field; seeds and shared keys left out.

    ``data`` is the digest that the column of that name shows; ``teacher`` and ``generator`` are there where used.
    """
    stages = found["stages"]
    facts: dict[str, Any] = {}
    for stage in stages.values():
        facts |= {name: value for name, value in stage["facts"].items() if name not in _NOT_SETTINGS}
    return facts | {"data": digest(stages["evaluate"]["facts"]["data"])[:8]}


def frame(documents: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return documents as a tidy frame, one row a trial; missing numbers are NaN."""
    return _tidy([row(found) for found in documents])


def _tidy(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = [name for name in COLUMNS if name in _NUMBERS or name.endswith(("_seconds", "_bytes", "ward_images"))]
    table = table.astype(dict.fromkeys(numbers, "float64")).fillna(dict.fromkeys(("flag", "error"), ""))
    counts = {name: pd.to_numeric(table[name]) for name in ("ipc", "synthesis_seed", "evaluation_seed")}
    return table.assign(
        **{name: found.astype("Int64" if found.isna().any() else "int64") for name, found in counts.items()}
    )


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
    told = [reported.of_cell(rows, trial) for trial in trials]
    joined = [trial | (blank if row is None else row.columns()) for trial, row in zip(trials, told, strict=True)]
    alone = [each for row in rows if row not in told for each in _alone(row, trials)]
    return _tidy(joined + alone)


def _alone(row: Reported, trials: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    images = ("dataset", "teacher", "synthesizer", "ipc")
    sets = {tuple(trial[name] for name in images) for trial in trials if not row.top1 and row.matches(trial)}
    return [row.alone() | dict(zip(images, found, strict=True)) for found in sorted(sets)] or [row.alone()]


def load(*sources: str | Path) -> pd.DataFrame:
    """Load results as a frame, one row a trial: folders of result files, and what ``ddbench export`` wrote.

    Columns are the trial's coordinates (``dataset`` .. ``evaluation_seed``), ``status`` (``done`` or ``failed``),
    accuracies in percent, costs in seconds and bytes, ``key``, and ``flag``, which is not empty for a file whose key
    does not recompute from its settings. What a paper reported is ``reported`` with its ``reported_std``; of which
    ``reported_metric`` (``top1``) on which ``reported_dataset``; ``reported_accuracy``, what the exam's authors print,
    ``last`` (``top1``) or ``best`` (``top1_best``); ``reported_unreliable``, why it is in doubt, empty for most; and
    ``reported_source``. ``settings`` and ``sources`` are JSON: every field and version of the components, and digests
    of the code that ran.

    Raises:
        UserError: no such folder or file, or it holds something else than results.
    """
    return _tidy([found for source in sources for found in _rows(Path(source))])


def _rows(source: Path) -> list[dict[str, Any]]:
    return exports.read(source) if source.is_file() else [row(read(path)) for path in files(source)]
