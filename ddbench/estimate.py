"""What a plan will take, told before it runs: seconds of one worker on this machine, and bytes in the store.

A stage's time is that of its like where the store holds some: same kind and settings, another seed or index. Else it
follows from the component's own word on its passes through networks, each kind of pass timed here for a moment; reading
images from disk, augmenting and storing are not in it. Where neither is known nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any, Literal

from ddbench.bench import resolve_device
from ddbench.errors import CorruptArtifactError
from ddbench.keys import digest
from ddbench.meter import device_name
from ddbench.probe import Probe
from ddbench.registry import registry
from ddbench.types import Effort, EffortTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ddbench.plan import Plan
    from ddbench.store import AnyStore, Store
    from ddbench.types import DatasetSpec, Kind, Stage

_LABEL_BYTES = 8


@dataclass(frozen=True)
class Estimate:
    """Of one stage.

    Attributes:
        seconds: of one worker, or None where nothing is known.
        nbytes: in the store, or None.
        grounds: ``measured`` on stages like it, ``probed`` by timing its passes, or ``unknown``.
    """

    seconds: float | None
    nbytes: int | None
    grounds: Literal["measured", "probed", "unknown"]


def estimate(plan: Plan, keys: Iterable[str], store: AnyStore, device: str) -> dict[str, Estimate]:
    """Return an estimate for each stage named; computes for some seconds where a network has to be timed."""
    probe = Probe(resolve_device(device))
    data = {trial.data.fingerprint: trial.data for trial in plan.trials}
    estimator = _Estimator(plan, data, probe, _seconds_of_like_stages(store.near), device_name(probe.device))
    return {key: estimator.of(plan.stages[key]) for key in keys}


def _seconds_of_like_stages(store: Store) -> dict[str, list[float]]:
    known: dict[str, list[float]] = {}
    for artifact in store.artifacts():
        try:
            meta = artifact.meta()
        except CorruptArtifactError:  # 'run' tells of it and computes it anew
            continue
        name = _likeness(meta["kind"], meta["facts"], meta["inputs"], meta["cost"]["device"])
        known.setdefault(name, []).append(meta["cost"]["seconds"])
    return known


def _likeness(kind: str, facts: Mapping[str, Any], inputs: Iterable[str], device: str) -> str:
    """Return a name shared by stages that differ in seed, index and the content of their inputs alone."""
    settings = {name: value for name, value in facts.items() if name not in {"seed", "index"}}
    return digest([kind, settings, sorted(inputs), device])


@dataclass(frozen=True)
class _Estimator:
    plan: Plan
    data: Mapping[str, DatasetSpec]
    probe: Probe
    known: Mapping[str, list[float]]
    device: str

    def of(self, stage: Stage) -> Estimate:
        effort = self._effort(stage)
        nbytes = self._bytes(stage, effort)
        like = self.known.get(_likeness(stage.kind, stage.facts, stage.inputs, self.device))
        if like:
            return Estimate(mean(like), nbytes, "measured")
        if effort is None:
            return Estimate(None, nbytes, "unknown")
        return Estimate(self._seconds(stage, effort), nbytes, "probed")

    def _seconds(self, stage: Stage, effort: Effort) -> float:
        roles = {"teacher": "teacher_architecture", "student": "student"}
        return sum(
            self.probe.seconds(stage.specs[roles[passes.network]], self._data(stage), passes)
            for passes in effort.passes
        )

    def _effort(self, stage: Stage) -> Effort | None:
        """Return what the stage's components say of it, or None where one of them says nothing."""
        if stage.kind == "squeeze":
            return self._asked(stage, "teacher")
        if stage.kind == "pretrain":
            return self._asked(stage, "generator")
        if stage.kind in {"prepare", "synthesize"}:
            return self._asked(stage, "synthesizer")
        exam = self._asked(stage, "evaluator") if "evaluator" in stage.specs else Effort()
        if exam is None:
            return None
        views = sum(passes.images for passes in exam.passes if passes.backward == "weights")
        labels = self._asked(stage, "labeler", views)
        if labels is None or stage.kind == "relabel":
            return labels
        return Effort((*exam.passes, *labels.passes))

    def _asked(self, stage: Stage, kind: Kind, views: int = 0) -> Effort | None:
        component = registry().create(kind, stage.specs[kind])
        if not hasattr(component, "effort"):
            return None
        effort: Effort = component.effort(EffortTask(stage.kind, self._data(stage), self._images(stage), views))
        return effort

    def _data(self, stage: Stage) -> DatasetSpec:
        return self.data[stage.facts["data"]["fingerprint"]]

    def _images(self, stage: Stage) -> int:
        """Return how many distilled images a stage makes or reads."""
        if stage.kind == "synthesize":
            data, facts = self._data(stage), stage.facts
            whole = not {"index", "ipc"} & facts.keys()
            return sum(data.class_counts) if whole else data.num_classes * facts.get("ipc", 1)
        shards = (key for role, key in stage.inputs.items() if role.startswith("shard."))
        return sum(self._images(self.plan.stages[key]) for key in shards)

    def _bytes(self, stage: Stage, effort: Effort | None) -> int | None:
        data = self._data(stage)
        if stage.kind == "squeeze":
            return self.probe.weight_bytes(stage.specs["teacher_architecture"], data)
        if stage.kind == "synthesize":
            return self._images(stage) * (data.channels * data.image_size**2 + _LABEL_BYTES)
        return None if effort is None else effort.stored_bytes
