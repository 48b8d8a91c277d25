"""Result files: one small JSON a trial."""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ddbench import reported
from ddbench.document import trouble
from ddbench.errors import UserError
from ddbench.keys import digest, stage_key
from ddbench.provenance import made
from ddbench.whole_file import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ddbench.plan import Plan
    from ddbench.planner import PlannedTrial
    from ddbench.types import Trial

SCHEMA = 1
LAST = "last"  # what authors print unless their exam says otherwise: the accuracy after the last epoch
_LONGEST = 100
LARGEST = 64 * 2**20  # bytes; a curve of ten thousand epochs is one of them

PUBLISHED = ("std", "dataset", "unreliable", "source")  # of a published number, beside the number


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
        "made": made(_keys(planned), metas),
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


def _keys(planned: PlannedTrial) -> dict[str, list[str]]:
    """Return the keys of a trial's stages by verb."""
    keys = {
        "squeeze": [planned.teacher],
        "pretrain": [planned.pretrain],
        "prepare": [planned.prepare],
        "synthesize": list(planned.shards),
        "relabel": [planned.relabel],
        "evaluate": [planned.evaluate],
    }
    return {verb: known for verb, known in keys.items() if any(known)}


def _costs(planned: PlannedTrial, metas: Mapping[str, Any]) -> dict[str, Any]:
    keys = _keys(planned)
    costs = {verb: [metas[key]["cost"] for key in known if key in metas] for verb, known in keys.items()}
    return {
        verb: {
            "seconds": sum(cost["seconds"] for cost in each),
            "peak_memory_bytes": max(cost["peak_memory_bytes"] for cost in each),
            "device": each[-1]["device"],
            **{name: _sum(cost.get(name) for cost in each) for name in _COUNTS},
            **_host_peak(each),
        }
        for verb, each in costs.items()
        if each and len(each) == len(keys[verb])
    }


_COUNTS = ("forward_images", "backward_images", "attempts")


def _host_peak(costs: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the process's peak beside the device's, where a device has one of its own."""
    known = [peak for cost in costs if (peak := cost.get("host_peak_bytes")) is not None]
    return {"host_peak_bytes": max(known)} if known else {}


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
    return {"top1": row.value} | {name: columns[f"reported_{name}"] for name in PUBLISHED}


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
    write_text(path, text, "result file")


def read(path: Path) -> dict[str, Any]:
    """Read a result file; whoever reads the document may rely on ``ddbench.document.Document``.

    Raises:
        UserError: it is not a whole result file of this schema.
    """
    text = _text(path)
    try:
        found = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        what = f"is not whole JSON ({error})" if text.strip() else "is empty"
        raise UserError(f"result file {path} {what}; {_AGAIN}") from None
    if not isinstance(found, dict) or "schema" not in found:
        raise UserError(f"{path} is not a result file; keep other files out of the results folder")
    if found["schema"] != SCHEMA:
        raise UserError(f"result file {path} has schema {found['schema']!r}, this ddbench reads {SCHEMA}; {_UPGRADE}")
    wrong = trouble(text)
    if wrong:
        raise UserError(f"result file {path} is damaged: {wrong}; {_AGAIN}")
    return found


_AGAIN = "delete it and run again"
_UPGRADE = "upgrade ddbench, or keep the file elsewhere"


def _text(path: Path) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path} is not a file; keep only result files in the results folder")
        if status.st_size > LARGEST:
            raise UserError(f"{path} is larger than 64 MiB: no result file is; keep it elsewhere")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"result file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"result file {path} is not UTF-8 text; {_AGAIN}") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _finite(written: str) -> float:
    return value if math.isfinite(value := float(written)) else _refuse_constant(written)


def sound(path: Path) -> dict[str, Any] | None:
    """Return the document of a file if it is there, done and not flagged, else None.

    Raises:
        UserError: as ``read``.
    """
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
    read = {key for stage in stages.values() for key in stage["inputs"].values()}
    made = {key for stage in stages.values() for key in stage.get("keys", [stage.get("key")])} - {found["key"]}
    linked = found["key"] == stages["evaluate"]["key"] and made == read  # no stage but behind the number, none untold
    return linked and all(recomputing(found).values())


def recomputing(found: Mapping[str, Any]) -> dict[str, bool]:
    """Tell for each stage of a document whether its keys recompute from its settings."""
    stages = found["stages"]
    single = {
        kind: stage_key(kind, stage["facts"], stage["inputs"]) == stage["key"]
        for kind, stage in stages.items()
        if kind != "synthesize"
    }
    return {**single, "synthesize": _shard_keys(stages["synthesize"]) == stages["synthesize"]["keys"]}


def _shard_keys(shards: Mapping[str, Any]) -> list[str]:
    """Recompute the keys of shards, which differ in their index alone."""
    facts, count = shards["facts"], len(shards["keys"])
    made = [facts | {"index": index} for index in range(count)] if "index" in facts else [facts] * count
    return [stage_key("synthesize", each, shards["inputs"]) for each in made]


class Documents(Sequence[Mapping[str, Any]]):
    """The documents of some files, each read when it is first asked for."""

    def __init__(self, files: Sequence[str | Path]) -> None:
        self._files = files
        self._read: dict[int, Mapping[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, place: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> Documents: ...
    def __getitem__(self, place: int | slice) -> Mapping[str, Any] | Documents:
        """Return a document, or those of some of the files.

        Raises:
            UserError: as ``read``: the file has changed since it was found.
        """
        if isinstance(place, slice):
            return Documents(self._files[place])
        if place not in self._read:
            self._read[place] = read(Path(self._files[place]))
        return self._read[place]
