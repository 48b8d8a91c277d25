"""The cells that metrics compare with: planned like all others, with the seeds of the trials that need them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ddbench.errors import UserError
from ddbench.plugins import one_line
from ddbench.types import EffortTask, Sizes, Trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ddbench.planner import PlannedTrial, Planner
    from ddbench.registry import Resolved
    from ddbench.types import Cell, DatasetSpec, Stage


def references(planner: Planner, metrics: Iterable[Resolved], trials: Iterable[Trial]) -> Iterator[PlannedTrial]:
    """Yield the reference trials that metrics need, each once for each metric.

    Raises:
        UserError: one of them cannot be planned; the message names metric and reference.
    """
    trials = tuple(trials)
    for metric in metrics:
        needed = dict.fromkeys(each for trial in trials for each in _needed(planner, metric, trial))
        yield from (_planned(planner, metric, each) for each in needed)


def _needed(planner: Planner, metric: Resolved, trial: Trial) -> Iterator[Trial]:
    """Yield what a trial is compared with, under its own seeds: of a method that draws nothing, as it is told."""
    own = planner.trial(trial)
    cell = replace(trial.cell, teacher=planner.teacher(trial.cell))
    try:
        cells: list[Cell] = list(metric.component.needs(cell))
        if hasattr(metric.component, "sized"):
            cells += metric.component.sized(cell, _sizes(planner, own))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"metric '{metric.short}' cannot be planned: {one_line(error)}") from error
    for each in cells:
        yield replace(trial, cell=each, synthesis_seed=own.trial.synthesis_seed)


def _planned(planner: Planner, metric: Resolved, trial: Trial) -> PlannedTrial:
    try:
        return planner.trial(trial)
    except UserError as error:
        cell = trial.cell
        what = f"'{cell.synthesizer}' at ipc {cell.ipc} with labels '{cell.labeler}' under '{cell.evaluator}'"
        raise UserError(f"metric '{metric.short}' compares with {what}: {error}") from None


def _sizes(planner: Planner, planned: PlannedTrial) -> Sizes:
    data = planned.data
    pixels = data.channels * data.image_size**2
    image_bytes = data.num_classes * pixels
    labels = _label_bytes(planner, planned)
    total = None if labels is None else planned.trial.cell.ipc * image_bytes + labels
    return Sizes(total, image_bytes, min(data.class_counts), sum(data.class_counts) * pixels)


def _label_bytes(planner: Planner, planned: PlannedTrial) -> int | None:
    """Return the bytes of a distilled set's labels, as results will count them; None if nobody knows."""
    relabel, evaluate = planner.stages[planned.relabel], planner.stages[planned.evaluate]
    exam = planner.registry.create("evaluator", evaluate.specs["evaluator"])
    labeler = planner.registry.create("labeler", evaluate.specs["labeler"])
    if not hasattr(exam, "effort") or not hasattr(labeler, "effort"):
        return None
    images = planned.trial.cell.ipc * planned.data.num_classes
    trained = exam.effort(EffortTask("evaluate", planned.data, images)).passes
    views = sum(passes.images for passes in trained if passes.backward == "weights")
    stored: int = labeler.effort(EffortTask("relabel", planned.data, images, views)).stored_bytes
    live = "teacher" in relabel.inputs and stored == 0
    return _weight_bytes(planner, planner.stages[planned.teacher], planned.data) if live else stored


def _weight_bytes(planner: Planner, squeeze: Stage, data: DatasetSpec) -> int:
    """Return the bytes of a teacher; its architecture is built with random weights."""
    import torch

    spec = squeeze.specs["teacher_architecture"]
    spec = spec.with_params(pretrained=False) if "pretrained" in spec.mapping() else spec
    with torch.random.fork_rng(devices=()):  # weights are drawn on the processor: no GPU is woken
        model = planner.registry.create("architecture", spec).build(data)
    return sum(value.nbytes for value in model.state_dict().values())
