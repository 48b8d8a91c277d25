"""The hooks, in the order of a run.

All but the last hand over components of one kind: each returns a mapping from name to
``"package.module:Class"`` (imported when first used) or to the class itself. They are called once, when the
plugin is loaded, must be pure, and must not import torch. A name that ends in ``/*`` is a family: the class gets
what stands in place of the star in its field ``name``. A name that two plugins give is refused, naming both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddbench.types import Event

hookspec = pluggy.HookspecMarker("ddbench")


@hookspec
def ddbench_datasets() -> Mapping[str, str | type]:  # type: ignore[empty-body]
    """Return data sets (:class:`ddbench.protocols.Dataset`).

    ``spec`` is called when a run is planned, ``open`` inside stages, possibly in other processes. An error in
    ``spec`` ends the command with exit code 2; one in ``open`` fails the stage.
    """


@hookspec
def ddbench_architectures() -> Mapping[str, str | type]:  # type: ignore[empty-body]
    """Return architectures (:class:`ddbench.protocols.Architecture`), for teachers and students alike.

    ``build`` is called inside stages, under a random state that derives from the stage's seed.
    """


@hookspec
def ddbench_teachers() -> Mapping[str, str | type]:  # type: ignore[empty-body]
    """Return ways to a teacher (:class:`ddbench.protocols.Teacher`).

    ``squeeze`` is called once per key; its network is scored on the test split and stored. A score below the
    floor of the benchmark fails every cell that needs the teacher.
    """


@hookspec
def ddbench_generators() -> Mapping[str, str | type]:  # type: ignore[empty-body]
    """Return generative models (:class:`ddbench.protocols.Generator`).

    ``pretrain``, where a class has it, is called once per key and its tensors are stored; ``load`` inside the stages
    of the synthesizers that build on it. Weights that are not finite fail every cell that needs them.
    """


@hookspec
def ddbench_synthesizers() -> Mapping[str, str | type]:  # type: ignore[empty-body]
    """Return distillation methods (:class:`ddbench.protocols.Synthesizer`).

    ``synthesize`` is called once per ipc index when the class is ``isolated``, else once per ipc. Images that
    break the contract (number, shape, type, labels) fail the stage and are not stored.
    """


@hookspec
def ddbench_labelers() -> Mapping[str, str | type]:  # type: ignore[empty-body]
    """Return labelers (:class:`ddbench.protocols.Labeler`).

    ``relabel`` is called once per distilled set, ``labels`` at the start of every student's training.
    """


@hookspec
def ddbench_evaluators() -> Mapping[str, str | type]:  # type: ignore[empty-body]
    """Return exams (:class:`ddbench.protocols.Evaluator`).

    ``evaluate`` is called once per trial. An exception, or a measure that is not finite, fails that trial alone.
    """


@hookspec
def ddbench_metrics() -> Mapping[str, str | type]:  # type: ignore[empty-body]
    """Return metrics (:class:`ddbench.protocols.Metric`).

    ``needs`` is called when a run is planned, ``score`` on the frame of results, after a run and by ``report``. What
    ``score`` raises leaves gaps and is told under the table.
    """


@hookspec
def ddbench_executors() -> Mapping[str, str | type]:  # type: ignore[empty-body]
    """Return executors (:class:`ddbench.protocols.Executor`); ``map`` is called once per run."""


@hookspec
def ddbench_reporters() -> Mapping[str, str | type]:  # type: ignore[empty-body]
    """Return reporters (:class:`ddbench.protocols.Reporter`); ``render`` is called after a run and by ``report``."""


@hookspec
def ddbench_diagnostics() -> Mapping[str, str | type]:  # type: ignore[empty-body]
    """Return diagnostics (:class:`ddbench.protocols.Diagnostic`).

    ``ddbench analyze`` calls ``measure`` and ``draw`` once per stored distilled set, ``compare`` once per data set and
    teacher. An exception in one of them is told and leaves a gap; the other diagnostics and sets go on.
    """


@hookspec
def ddbench_event(event: Event) -> None:
    """Hear what happens in a run: progress displays, trackers and energy meters listen here.

    Called in the process of the runner, in the order of the run. A listener observes: what it raises is told once
    as a warning and the listener is left out for the rest of the run.
    """
