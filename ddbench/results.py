"""Result files, one small JSON a trial, and the pandas frame that they make."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbench import reported
from ddbench.errors import UserError
from ddbench.keys import digest, stage_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from ddbench.plan import Plan
    from ddbench.planner import PlannedTrial
    from ddbench.reported import Reported
    from ddbench.types import Trial

SCHEMA = 1
LAST = "last"  # what authors print unless their exam says otherwise: the accuracy after the last epoch
_LONGEST = 100

_PARTS = {
    *("trial", "key", "status", "error", "measures", "teacher", "costs", "bytes", "reported", "stages"),
    *("environment", "started_at", "checksum"),
}

_PUBLISHED = ("std", "dataset", "unreliable", "source")  # of a published number, beside the number

COLUMNS = (
    "dataset", "teacher", "synthesizer", "ipc", "labeler", "evaluator", "architecture", "synthesis_seed",
    "evaluation_seed", "precision", "data", "status", "top1", "top5", "top1_best", "loss", "teacher_top1",
    "squeeze_seconds", "pretrain_seconds", "prepare_seconds", "synthesize_seconds", "relabel_seconds",
    "evaluate_seconds", "peak_memory_bytes", "prepare_peak_memory_bytes",
    "synthesize_peak_memory_bytes", "synthesize_forward_images", "synthesize_backward_images",
    "image_bytes", "label_bytes", "reported", "reported_std", "reported_metric", "reported_accuracy",
    "reported_dataset", "reported_unreliable", "reported_source", "device", "key", "flag", "error", "started_at",
)  # fmt: skip


def document(plan: Plan, planned: PlannedTrial, metas: Mapping[str, Any], end: Mapping[str, Any]) -> dict[str, Any]:
    """Write a trial down: what it is, how it ended, what it cost, and the facts from which its key recomputes.

    ``metas`` holds the store's meta by key, as far as there is any; ``end`` gives ``status`` and ``error``.
    """
    evaluate = metas.get(planned.evaluate, {})
    written = {
        "schema": SCHEMA,
        "trial": trial_columns(planned.trial),
        "key": planned.evaluate,
        "benchmark": plan.benchmark.name,
        **end,
        "measures": evaluate.get("result"),
        "teacher": metas.get(planned.teacher, {}).get("result"),
        "costs": _costs(planned, metas),
        "bytes": _bytes(planned, metas),
        "reports": plan.stages[planned.evaluate].specs["evaluator"].mapping().get("reports", LAST),
        "reported": _reported(plan, planned),
        "stages": _stages(plan, planned),
        "environment": evaluate.get("environment"),
        "sources": evaluate.get("sources"),
        "started_at": evaluate.get("started_at"),
    }
    return written | {"checksum": digest(written)}


def trial_columns(trial: Trial) -> dict[str, Any]:
    """Return a trial's coordinates, specs as strings."""
    cell = {name: value if isinstance(value, int) else str(value) for name, value in vars_of(trial.cell).items()}
    return {**cell, "synthesis_seed": trial.synthesis_seed, "evaluation_seed": trial.evaluation_seed}


def vars_of(cell: Any) -> dict[str, Any]:
    """Return a frozen, slotted dataclass as a dictionary, its values untouched."""
    return {name: getattr(cell, name) for name in cell.__dataclass_fields__}


def _costs(planned: PlannedTrial, metas: Mapping[str, Any]) -> dict[str, Any]:
    keys = {
        "squeeze": [planned.teacher],
        "pretrain": [planned.pretrain],
        "prepare": [planned.prepare],
        "synthesize": list(planned.shards),
        "relabel": [planned.relabel],
        "evaluate": [planned.evaluate],
    }
    costs = {verb: [metas[key]["cost"] for key in known if key in metas] for verb, known in keys.items()}
    return {
        verb: {
            "seconds": sum(cost["seconds"] for cost in each),
            "peak_memory_bytes": max(cost["peak_memory_bytes"] for cost in each),
            "device": each[-1]["device"],
            **{name: _sum(cost.get(name) for cost in each) for name in ("forward_images", "backward_images")},
        }
        for verb, each in costs.items()
        if each and len(each) == len(keys[verb])
    }


def _sum(counts: Iterable[int | None]) -> int | None:
    """Add counts up; None if one is unknown, as of stages from before they were counted."""
    known = list(counts)
    return None if None in known else sum(known)  # type: ignore[arg-type]  # no None is among them


def _bytes(planned: PlannedTrial, metas: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the bytes of images and labels; labels made by a live teacher weigh as much as the teacher."""
    shards = [metas[key]["result"]["bytes"] for key in planned.shards if key in metas]
    labels = metas.get(planned.relabel)
    if labels is None or len(shards) != len(planned.shards):
        return {"images": None, "labels": None}
    live = "teacher" in labels["inputs"] and labels["result"]["bytes"] == 0
    teacher = metas.get(planned.teacher, {}).get("result", {}).get("bytes", 0) if live else 0
    return {"images": sum(shards), "labels": labels["result"]["bytes"] + teacher}


def _reported(plan: Plan, planned: PlannedTrial) -> dict[str, Any] | None:
    row = reported.of_cell(plan.benchmark.reported, trial_columns(planned.trial))
    if row is None:
        return None
    columns = row.columns()
    return {"top1": row.value} | {name: columns[f"reported_{name}"] for name in _PUBLISHED}


def _stages(plan: Plan, planned: PlannedTrial) -> dict[str, Any]:
    """Return facts and inputs of the trial's stages; shards of one method differ in their index alone."""
    first = plan.stages[planned.shards[0]]
    single = (planned.teacher, planned.pretrain, planned.prepare, planned.relabel, planned.evaluate)
    stages = {key: plan.stages[key] for key in single if key}
    described: dict[str, Any] = {
        stage.kind: {"facts": stage.facts, "inputs": stage.inputs, "key": key} for key, stage in stages.items()
    }
    return {**described, "synthesize": {"facts": first.facts, "inputs": first.inputs, "keys": list(planned.shards)}}


def path_of(out: Path, trial: Trial, key: str) -> Path:
    """Return where a trial's file lies: derived from what it is, never typed by hand."""
    cell = trial.cell
    seeds = f"synth{trial.synthesis_seed}-eval{trial.evaluation_seed}"
    name = f"{cell.architecture}-{cell.labeler}-{cell.evaluator}-{seeds}-{key[:8]}"
    return out / slug(str(cell.dataset)) / slug(str(cell.synthesizer)) / f"ipc{cell.ipc}" / f"{slug(name)}.json"


def slug(text: str) -> str:
    """Return a text as the name of a file or folder: no separators, and short enough for every file system."""
    name = re.sub(r"[^\w.=,+-]+", "_", text).strip("_")
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}-{digest(text)[:8]}"


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write a result file: aside, then moved into place, so that it is whole or not there.

    Raises:
        UserError: it cannot be written (disk full, folder read-only).
    """
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"
    if path.exists() and path.read_bytes() == text.encode():
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise UserError(f"result file {path} cannot be written: {error.strerror}; mend that and run again") from None


def read(path: Path) -> dict[str, Any]:
    """Read a result file.

    Raises:
        UserError: it is not JSON, or of another schema.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"result file {path} cannot be read: {error}; delete it and run again") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA or not found.keys() >= _PARTS:
        raise UserError(f"{path} is not a result file of schema {SCHEMA}; keep other files out of the results folder")
    return found


def sound(path: Path) -> dict[str, Any] | None:
    """Return the document of a file if it is there, done and not flagged, else None."""
    found = read(path) if path.exists() else None
    return found if found is not None and found["status"] == "done" and not flag(found) else None


def flag(found: Mapping[str, Any]) -> str:
    """Return ``key differs`` if the key does not recompute from the settings, else ``edited`` if the checksum fails."""
    if not _key_recomputes(found):
        return "key differs"
    content = {name: value for name, value in found.items() if name != "checksum"}
    return "" if digest(content) == found["checksum"] else "edited"


def _key_recomputes(found: Mapping[str, Any]) -> bool:
    stages = found["stages"]
    shards, evaluate = stages["synthesize"], stages["evaluate"]
    recomputed = all(
        stage_key(kind, stage["facts"], stage["inputs"]) == stage["key"]
        for kind, stage in stages.items()
        if kind != "synthesize"
    )
    linked = found["key"] == evaluate["key"] and set(shards["keys"]) <= set(evaluate["inputs"].values())
    return bool(recomputed and linked and _shard_keys(shards) == shards["keys"])


def _shard_keys(shards: Mapping[str, Any]) -> list[str]:
    """Recompute the keys of shards, which differ in their index alone."""
    facts, count = shards["facts"], len(shards["keys"])
    made = [facts | {"index": index} for index in range(count)] if "index" in facts else [facts] * count
    return [stage_key("synthesize", each, shards["inputs"]) for each in made]


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
        **{f"reported_{name}": published.get(name) for name in _PUBLISHED},
        "device": (found["environment"] or {}).get("device"),
        "key": found["key"],
        "flag": flag(found),
        "error": found["error"],
        "started_at": found["started_at"],
    }
    return {column: values.get(column) for column in COLUMNS}


def frame(documents: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return documents as a tidy frame, one row a trial; missing numbers are NaN."""
    return _tidy([row(found) for found in documents])


def _tidy(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = ["top1", "top5", "top1_best", "loss", "teacher_top1", "reported", "reported_std"]
    numbers += [column for column in COLUMNS if column.endswith(("_seconds", "_bytes", "ward_images"))]
    counts = [name for name in ("ipc", "synthesis_seed", "evaluation_seed") if table[name].isna().any()]
    return table.astype({**dict.fromkeys(numbers, "float64"), **dict.fromkeys(counts, "Int64")})


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


def files(folder: Path) -> list[Path]:
    """Return the result files under a folder, sorted.

    Raises:
        UserError: no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"no results folder {folder}; 'ddbench run' makes one")
    return sorted(path for path in folder.rglob("*.json") if not path.name.startswith("."))


def load(folder: str | Path) -> pd.DataFrame:
    """Load the result files under a folder as a frame, one row a trial.

    Columns are the trial's coordinates (``dataset`` .. ``evaluation_seed``), ``status`` (``done`` or ``failed``),
    accuracies in percent, costs in seconds and bytes, ``key``, and ``flag``, which is not empty for a file whose key
    does not recompute from its settings. What a paper reported is ``reported`` with its ``reported_std``; of which
    ``reported_metric`` (``top1``) on which ``reported_dataset``; ``reported_accuracy``, what the exam's authors print,
    ``last`` (``top1``) or ``best`` (``top1_best``); ``reported_unreliable``, why it is in doubt, empty for most; and
    ``reported_source``.

    Raises:
        UserError: no such folder, or a file in it that is no result.
    """
    return frame(read(path) for path in files(Path(folder)))
