"""The six verbs: each calls a component and stores what came of it."""

from __future__ import annotations

import math
import time
import traceback
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ddbench.bench import Bench, make_repeatable, require_device, require_unchanged, resolve_device
from ddbench.commandline import command
from ddbench.environment import capture
from ddbench.errors import CorruptArtifactError, UserError, printable
from ddbench.ledger import Ledger
from ddbench.meter import device_name, free_memory, is_shortage, metered
from ddbench.plugins import one_line
from ddbench.store import open_store
from ddbench.types import (
    Compute,
    EvaluationTask,
    Event,
    LabelsTask,
    Outcome,
    PrepareTask,
    PretrainTask,
    RelabelTask,
    SqueezeTask,
    Stage,
    SynthesisTask,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from ddbench.artifact import Draft
    from ddbench.bench import Context
    from ddbench.protocols import Tell
    from ddbench.store import AnyStore
    from ddbench.types import Batch, Cost, DatasetSpec, EpochViews, Measures

UNREAD = "unread"  # in a failed outcome's meta, where the stage itself is not to blame: what it could not read
_GO_ON = ("pretrain", "prepare")  # stages with a workspace, in which a killed attempt may have left a checkpoint
_ALWAYS = ("top1", "top5", "top1_best", "loss", "curve")  # measures that every exam has; others where there are any
_PROGRESS_SECONDS = 0.2  # between two reports of one stage: often enough for the eye, too seldom to cost


def work(stage: Stage, tell: Tell, context: Context) -> Outcome:
    """Compute a stage, unless the store has it or another process is just making it. Never raises an Exception."""
    try:
        return _work(stage, tell, context)
    except CorruptArtifactError as error:
        told = {"traceback": traceback.format_exc(), UNREAD: str(error)}
        return Outcome(stage, "failed", told, printable(f"{error}; run again to compute it anew"))
    except Exception as error:  # noqa: BLE001 - whatever a component raises fails its own cells, not the run
        return Outcome(stage, "failed", {"traceback": traceback.format_exc()}, one_line(error))


def _work(stage: Stage, tell: Tell, context: Context) -> Outcome:
    tell(Event("stage-started", stage))
    opened = open_store(context.store, lambda message: tell(Event("warning", stage, {"message": message})))
    with closing(opened) as store, store.lock(stage.key):
        meta = sound_meta(store, stage, tell)
        if meta is not None:
            return Outcome(stage, "reused", meta)
        try:
            return _stored(stage, store, context, _Notes(stage, tell))
        except UserError:
            raise
        except Exception:
            meta = sound_meta(store, stage, tell)  # where locks do not reach, another may have finished and cleared up
            if meta is None:
                raise
            return Outcome(stage, "reused", meta)


def _stored(stage: Stage, store: AnyStore, context: Context, notes: _Notes) -> Outcome:
    """Compute a stage and store it; where the device's memory is too small, try once more, saving memory."""
    shortage = _attempt(stage, store, context, notes)
    if isinstance(shortage, Outcome):
        return shortage
    free_memory()
    notes(f"short of memory ({shortage}): tried once more, saving memory")
    outcome = _attempt(stage, store, context, notes, parts=2)
    if isinstance(outcome, Outcome):
        return outcome
    raise UserError(
        f"{stage.label} ran out of memory on {resolve_device(context.device)} twice, the second time saving it "
        f"({outcome}): lower its batch_size, or take a smaller architecture or another device"
    )


def _attempt(stage: Stage, store: AnyStore, context: Context, notes: _Notes, parts: int = 1) -> Outcome | str:
    """Compute a stage and store it; where the device's memory is too small, return the line that says so."""
    draft = store.draft(stage.key)
    try:
        meta = _compute(stage, store, draft, notes, context, parts)
        return Outcome(stage, "done", store.commit(draft, stage.kind, stage.key, meta))
    except Exception as error:
        if not is_shortage(error):
            raise
        return one_line(error)
    finally:
        store.discard(draft)


class _Notes:
    """Lines on how a stage was computed, told as they come and kept in its meta, each once."""

    def __init__(self, stage: Stage, tell: Tell) -> None:
        self.stage, self.tell = stage, tell
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        if line not in self.lines:
            self.lines.append(line)
            self.tell(Event("warning", self.stage, {"message": f"{self.stage.label}: {line}"}))


def sound_meta(store: AnyStore, stage: Stage, tell: Tell) -> dict[str, Any] | None:
    """Return a stage's stored meta, verified; a corrupt artifact is told, removed and taken as absent."""
    try:
        return store.find(stage.kind, stage.key)
    except CorruptArtifactError as error:
        tell(Event("warning", stage, {"message": f"{error}; it will be computed anew"}))
        store.remove_corrupt(stage.kind, stage.key)
        return None


def _compute(
    stage: Stage, store: AnyStore, draft: Draft, notes: _Notes, context: Context, parts: int
) -> dict[str, Any]:
    require_device(context.device)  # a worker may be on another machine than the runner, who looked
    device = resolve_device(context.device)
    progress = _Progress(stage, notes.tell)
    compute = Compute(device, stage.facts["precision"], _seed(stage), progress, parts, notes)
    bench = Bench(stage, context, compute, store)
    bench.warm_up()
    make_repeatable(compute.seed, device)
    ledger = Ledger.of(bench.store.workspace(stage.key)) if stage.kind in _GO_ON else None
    started = datetime.now(UTC)
    with metered(device) as cost:

        def spent() -> Cost:
            return replace(
                cost(),
                forward_images=bench.passes.forward,
                backward_images=bench.passes.backward,
                attempts=stage.attempt,
            )

        progress.books = (ledger, spent) if ledger else None
        result = _VERBS[stage.kind](bench, draft)
        total = ledger.total(spent()) if ledger else spent()
    return {
        "kind": stage.kind,
        "key": stage.key,
        "facts": stage.facts,
        "inputs": stage.inputs,
        "result": result,
        "cost": asdict(total),
        **({"notes": notes.lines} if notes.lines else {}),
        "environment": capture(device_name(device)),
        "sources": bench.sources,
        "components": bench.components,
        "command": command(),
        "started_at": started.isoformat(timespec="seconds"),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _seed(stage: Stage) -> int:
    from ddbench.kit.rng import derive

    part = stage.facts.get("index", stage.facts.get("ipc", "all"))
    return derive(stage.facts["seed"], stage.kind, part)


def _evaluation_seed(stage: Stage) -> int:
    """Return the seed under which the student will be trained for whose views a stage makes labels."""
    from ddbench.kit.rng import derive

    return derive(stage.facts["seed"], "evaluate", "all")


class _Progress:
    """Turns a component's progress into events, a few a second, and now and then notes what it has cost."""

    def __init__(self, stage: Stage, tell: Tell) -> None:
        self._stage, self._tell, self._last = stage, tell, 0.0
        self.books: tuple[Ledger, Callable[[], Cost]] | None = None

    def __call__(self, done: int, total: int, **numbers: float) -> None:
        now = time.monotonic()
        if done < total and now - self._last < _PROGRESS_SECONDS:
            return
        self._last = now
        self._tell(Event("stage-progress", self._stage, {"done": done, "total": total, **numbers}))
        if self.books and self.books[0].is_due():
            ledger, spent = self.books
            ledger.note(spent())


# ---------------------------------------------------------------------------------------------- verbs


def _squeeze(bench: Bench, draft: Draft) -> dict[str, Any]:
    from ddbench.kit.device import freeze
    from ddbench.kit.train import score

    test = bench.examples("test")
    build = bench.build("teacher_architecture")
    task = SqueezeTask(bench.data, bench.examples("train"), test, build, bench.compute)
    teacher = bench.component("teacher")
    require_unchanged(teacher, bench.stage.facts["teacher"], "teacher")
    model = freeze(teacher.squeeze(task))
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    _require_finite(weights, "the teacher's weights")
    draft.save("weights", weights)
    scored = score(model, test, bench.data, bench.compute)
    return {"top1": scored.top1, "top5": scored.top5, "loss": scored.loss, "bytes": _nbytes(weights)}


def _require_finite(tensors: Mapping[str, Tensor], what: str) -> None:
    if not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise FloatingPointError(f"{what} are not finite")


def _nbytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(value.nbytes for value in tensors.values())


def _pretrain(bench: Bench, draft: Draft) -> dict[str, Any]:
    place = bench.context.place
    workspace = bench.store.workspace(bench.stage.key)
    task = PretrainTask(bench.data, bench.examples("train"), bench.compute, workspace, place.cache)
    weights = dict(bench.component("generator").pretrain(task))
    _require_finite(weights, "the generator's weights")
    draft.save("weights", weights)
    return {"bytes": _nbytes(weights)}


def _prepare(bench: Bench, draft: Draft) -> dict[str, Any]:
    place = bench.context.place
    workspace = bench.store.workspace(bench.stage.key)
    task = PrepareTask(
        bench.data, bench.examples("train"), bench.teacher, bench.compute, workspace, place.cache, bench.generator
    )
    state = dict(bench.component("synthesizer").prepare(task))
    draft.save("state", state)
    return {"bytes": _nbytes(state)}


def _synthesize(bench: Bench, draft: Draft) -> dict[str, Any]:
    facts = bench.stage.facts
    indices = (facts["index"],) if "index" in facts else tuple(range(facts.get("ipc", 0)))
    task = SynthesisTask(
        bench.data,
        bench.examples("train"),
        bench.teacher,
        bench.state,
        indices,
        facts["seed"],
        bench.compute,
        bench.generator,
    )
    whole = not {"index", "ipc"} & facts.keys()
    asked = list(bench.data.class_counts) if whole else [len(indices)] * bench.data.num_classes
    counts = [0] * bench.data.num_classes
    nbytes = 0
    synthesizer = bench.component("synthesizer")
    require_unchanged(synthesizer, facts["synthesizer"], "synthesizer")
    for number, batch in enumerate(synthesizer.synthesize(task)):
        _require_contract(batch, bench.data, counts)
        draft.save(f"batch-{number:05d}", {"images": batch.images, "labels": batch.labels})
        nbytes += batch.images.nbytes
    if counts != asked:
        wanted = f"the training set's {asked}" if whole else f"{len(indices)} of each"
        raise ValueError(f"the synthesizer made {counts} images per class where {wanted} were asked")
    return {"bytes": nbytes, "images": sum(counts)}


def _require_contract(batch: Batch, data: DatasetSpec, counts: list[int]) -> None:
    """Check what a synthesizer hands over, and count its labels."""
    import torch

    images, labels = batch.images, batch.labels
    shape = (len(labels), data.channels, data.image_size, data.image_size)
    if images.dtype != torch.uint8 or tuple(images.shape) != shape:
        raise ValueError(f"images must be uint8 of shape {shape}, got {images.dtype} of shape {tuple(images.shape)}")
    if labels.ndim != 1 or labels.dtype != torch.int64 or not bool(((labels >= 0) & (labels < data.num_classes)).all()):
        raise ValueError(f"labels must be int64 in 0..{data.num_classes - 1}, got {labels.dtype} {labels.tolist()[:8]}")
    for label in labels.tolist():
        counts[label] += 1


def _relabel(bench: Bench, draft: Draft) -> dict[str, Any]:
    labeler = bench.component("labeler")
    require_unchanged(labeler, bench.stage.facts["labeler"], "labeler")
    stored = dict(labeler.relabel(RelabelTask(bench.distilled, bench.teacher, bench.compute, _views(bench))))
    draft.save("labels", stored)
    return {"bytes": _nbytes(stored)}


def _views(bench: Bench) -> EpochViews | None:
    """Return the views of the student whose labels are asked, if they are asked for a student at all."""
    if "evaluator" not in bench.stage.facts:
        return None
    compute = replace(bench.compute, seed=_evaluation_seed(bench.stage))
    views: EpochViews = bench.component("evaluator").views(bench.distilled, compute)
    return views


def _evaluate(bench: Bench, draft: Draft) -> dict[str, Any]:  # noqa: ARG001 - a number is all that is stored
    stored = bench.store.artifact("relabel", bench.stage.inputs["labels"]).tensors("labels")
    labels = bench.component("labeler").labels(LabelsTask(bench.distilled, stored, bench.teacher, bench.compute))
    test, build = bench.examples("test"), bench.build("student")
    task = EvaluationTask(bench.distilled, labels, test, build, bench.compute, bench.validation)
    measures: Measures = bench.component("evaluator").evaluate(task)
    if task.validation is not None and measures.top1_val is None:
        raise ValueError("the evaluator gives no 'top1_val', though there are held-out images to select the epoch by")
    return _written(measures)


def _written(measures: Measures) -> dict[str, Any]:
    """Return measures as the store keeps them, without those that an exam did not take.

    Raises:
        FloatingPointError: one is not finite.
    """
    written = {
        name: value for name, value in asdict(measures).items() if name in _ALWAYS or value not in (None, (), {})
    }
    numbers = [value for value in written.values() if isinstance(value, float)] + [*measures.corrupted.values()]
    if not all(map(math.isfinite, numbers)):
        raise FloatingPointError(
            f"the evaluator's measures are not finite: {replace(measures, curve=(), validation=())}"
        )
    return written


_VERBS: dict[str, Callable[[Bench, Draft], dict[str, Any]]] = {
    "squeeze": _squeeze,
    "pretrain": _pretrain,
    "prepare": _prepare,
    "synthesize": _synthesize,
    "relabel": _relabel,
    "evaluate": _evaluate,
}
