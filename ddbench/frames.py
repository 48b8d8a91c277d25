"""The pandas frame that result files make: tidy, one row a trial."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbench import exports, reported
from ddbench.errors import UserError, printable
from ddbench.keys import canonical_json, digest
from ddbench.results import LARGEST, LAST, PUBLISHED, files, flag, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import pandas as pd

    from ddbench.reported import Reported

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
_NUMBERS = {*_MEASURES, "teacher_top1", "reported", "reported_std"}
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
        "settings": canonical_json(settings(found)),
        "sources": canonical_json(_sources(found)),
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


def frame(documents: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return documents as a tidy frame, one row a trial; missing numbers are NaN."""
    return _tidy([row(found) for found in documents])


def _tidy(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame([_shown(each) for each in rows], columns=list(COLUMNS))
    numbers = [name for name in COLUMNS if name in _NUMBERS or name.endswith(("_seconds", "_bytes", "ward_images"))]
    table = table.astype(dict.fromkeys(numbers, "float64")).fillna(dict.fromkeys(("flag", "error"), ""))
    counts = {name: pd.to_numeric(table[name]).astype("Int64") for name in ("ipc", "synthesis_seed", "evaluation_seed")}
    return table.assign(
        **{name: found if found.isna().any() else found.astype("int64") for name, found in counts.items()}
    )


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row that can be shown anywhere: errors and sources of numbers come from libraries and other people."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in row.items()}


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
        documents: the result files behind the rows; a row of an export has none.
        bad: what could not be read, a line each.
        repeated: one line on trials that were found more than once, else empty.
    """

    frame: pd.DataFrame
    documents: tuple[Mapping[str, Any], ...]
    bad: tuple[str, ...] = ()
    repeated: str = ""


def gather(*sources: str | Path, strict: bool = False) -> Gathered:
    """Gather results, as ``load`` does, and go on where a file cannot be read, unless ``strict``.

    Raises:
        UserError: no such folder or file, nothing but files that cannot be read, or with ``strict`` the first of them.
    """
    bad: list[UserError] = []
    each_found = (each for source in sources for each in _found(Path(source), _refuse if strict else bad.append))
    found = list({each.file: each for each in each_found}.values())
    if bad and not found:
        raise UserError(str(bad[0]) + (f" (and {len(bad) - 1} more such files)" if bad[1:] else ""))
    chosen, repeated = _once(found)
    documents = tuple(each.document for each in chosen if each.document is not None)
    return Gathered(_tidy([each.row for each in chosen]), documents, tuple(map(str, bad)), repeated)


@dataclass(frozen=True, eq=False)
class _Found:
    """A trial, and where it was found."""

    row: dict[str, Any]
    place: Path
    document: Mapping[str, Any] | None = None

    @property
    def file(self) -> object:
        """Its file, however it is called; of an export it is one of many."""
        return self if self.document is None else os.path.realpath(self.place)

    @property
    def trial(self) -> tuple[Any, ...]:
        """What it is; whatever has no key (a published number) is itself alone."""
        return tuple(str(self.row.get(name)) for name in _TRIAL) if self.row.get("key") else (id(self),)

    @property
    def worth(self) -> tuple[bool, str]:
        """Sound before failed or flagged, then new before old."""
        return self.row.get("status") == "done" and not self.row.get("flag"), str(self.row.get("started_at") or "")


_TRIAL = (*COLUMNS[: COLUMNS.index("evaluation_seed") + 1], "key")
_HEAD = 64  # bytes, in which a document begins


def _refuse(error: UserError) -> None:
    raise error


def _found(source: Path, on_bad: Callable[[UserError], None]) -> Iterator[_Found]:
    if source.is_file() and not _is_result(source):
        yield from (_Found(found, source) for found in _exported(source))
        return
    for path in [source] if source.is_file() else files(source, on_bad):
        try:
            document = read(path)
        except UserError as error:
            on_bad(error)
        else:
            yield _Found(row(document), path, document)


def _exported(path: Path) -> list[dict[str, Any]]:
    """Return the rows of an export, once it is known that its numbers are numbers."""
    rows = exports.read(path)
    try:
        _tidy(rows)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{path} is not a file of trials: {error}") from None
    return rows


def _is_result(path: Path) -> bool:
    """Tell a single result file from an export and from what ``run --json`` printed."""
    if path.suffix != ".json" or path.stat().st_size > LARGEST:
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).lstrip()
        return head.startswith(b"{") and "schema" in json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError):
        return False


def _once(found: Iterable[_Found]) -> tuple[list[_Found], str]:
    """Take every trial once, in the order found; and say which were there more often."""
    trials: dict[tuple[Any, ...], list[_Found]] = {}
    for each in found:
        trials.setdefault(each.trial, []).append(each)
    chosen = [max(reversed(same), key=lambda each: each.worth) for same in trials.values()]
    several = [same for same in trials.values() if len(same) > 1]
    if not several:
        return chosen, ""
    places = " and ".join(str(each.place) for each in several[0][:2])
    apart = sum(len({each.row.get("top1") for each in same}) > 1 for same in several)
    flagged = sum(bool(each.row.get("flag")) for same in several for each in same)
    return chosen, "; ".join(
        [
            f"trials that are there more than once: {len(several)}, such as in {places}: the newest sound one is taken",
            *([f"numbers differ in {apart}"] if apart else []),
            *([f"flagged among them: {flagged}"] if flagged else []),
        ]
    )
