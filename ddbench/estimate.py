"""What a plan will take, told before it runs: time and memory of one worker on this machine, and bytes in the store.

A stage takes what its like took where the store holds some: same kind and settings, another seed or index. Else it
follows from the component's own word on its passes through networks: each kind of pass is timed here for a moment, and
what it keeps in memory is reckoned; reading images from disk, augmenting and storing are not in it. Where neither is
known nothing is guessed.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from statistics import mean
from typing import TYPE_CHECKING, Any, Literal

from ddbench.bench import resolve_device
from ddbench.errors import CorruptArtifactError
from ddbench.keys import digest
from ddbench.meter import device_name, resident
from ddbench.probe import Probe
from ddbench.registry import registry
from ddbench.types import Effort, EffortTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ddbench.footprint import Footprint
    from ddbench.plan import Plan
    from ddbench.spec import Spec
    from ddbench.store import AnyStore, Store
    from ddbench.types import DatasetSpec, Kind, Passes, Stage

_LABEL_BYTES = 8
_ROLES = {"teacher": "teacher_architecture", "student": "student"}


@dataclass(frozen=True)
class Memory:
    """The peak of one stage, of the device or, on the processor, of the process.

    Attributes:
        peak: in bytes, or None where nothing is known.
        least: that of the second attempt that a GPU short of memory gets, a batch cut in two; else ``peak``.
        grounds: ``measured`` on stages like it; ``reckoned`` from its networks, and so a little too low, as what
            libraries take to compute is not in it; or ``unknown``.
    """

    peak: int | None = None
    least: int | None = None
    grounds: Literal["measured", "reckoned", "unknown"] = "unknown"


@dataclass(frozen=True)
class Estimate:
    """Of one stage.

    Attributes:
        seconds: of one worker, or None where nothing is known.
        nbytes: in the store, or None.
        grounds: ``measured`` on stages like it, ``probed`` by timing its passes, or ``unknown``.
        memory: the peak.
    """

    seconds: float | None
    nbytes: int | None
    grounds: Literal["measured", "probed", "unknown"]
    memory: Memory = Memory()


def estimate(plan: Plan, keys: Iterable[str], store: AnyStore, device: str) -> dict[str, Estimate]:
    """Return an estimate for each stage named; computes for some seconds where a network has to be timed."""
    keys = list(keys)
    if not keys:
        return {}  # without a look at every artifact of the store
    estimator = estimator_of(plan, _stored(store.near), device)
    return {key: estimator.of(plan.stages[key]) for key in keys}


def estimator_of(plan: Plan, metas: Iterable[Mapping[str, Any]], device: str) -> Estimator:
    """Return what estimates a plan's stages, given the metas of stages that have been computed."""
    probe = Probe(resolve_device(device))
    data = {trial.data.fingerprint: trial.data for trial in plan.trials}
    known: dict[str, list[Mapping[str, Any]]] = {}
    for meta in metas:
        name = _likeness(meta["kind"], meta["facts"], meta["inputs"], meta["cost"]["device"])
        known.setdefault(name, []).append(meta["cost"])
    own = resident() if probe.device.type == "cpu" else 0
    return Estimator(plan, data, probe, known, device_name(probe.device), own)


def _stored(store: Store) -> Iterable[Mapping[str, Any]]:
    for artifact in store.artifacts():
        with suppress(CorruptArtifactError):  # 'run' tells of it and computes it anew
            yield artifact.meta()


def _likeness(kind: str, facts: Mapping[str, Any], inputs: Iterable[str], device: str) -> str:
    """Return a name shared by stages that differ in seed, index and the content of their inputs alone."""
    settings = {name: value for name, value in facts.items() if name not in {"seed", "index"}}
    return digest([kind, settings, sorted(inputs), device])


@dataclass(frozen=True)
class Estimator:
    """Tells what stages of a plan will take; ``own`` are the bytes that a process takes before it begins."""

    plan: Plan
    data: Mapping[str, DatasetSpec]
    probe: Probe
    known: Mapping[str, list[Mapping[str, Any]]]
    device: str
    own: int = 0
    told: dict[Any, Estimate] = field(default_factory=dict)

    def of(self, stage: Stage) -> Estimate:
        """Return the estimate of a stage; of stages that differ in their seed or index alone it is one."""
        name = (stage.kind, self._images(stage), len(stage.inputs), *stage.specs.values())
        if name not in self.told:
            self.told[name] = self._of(stage)
        return self.told[name]

    def _of(self, stage: Stage) -> Estimate:
        effort = self.effort(stage)
        nbytes, memory = self._bytes(stage, effort), self.memory(stage)
        like = self._like(stage)
        if like:
            return Estimate(mean(cost["seconds"] for cost in like), nbytes, "measured", memory)
        if effort is None:
            return Estimate(None, nbytes, "unknown", memory)
        return Estimate(self._seconds(stage, effort), nbytes, "probed", memory)

    def memory(self, stage: Stage) -> Memory:
        """Return the peak of a stage: the largest of its like, else what its networks and one batch take."""
        like = self._like(stage)
        if like:
            peak = max(cost["peak_memory_bytes"] for cost in like)
            return Memory(peak, peak, "measured")
        effort = self.effort(stage)
        prints = self._footprints(stage, effort) if effort else []
        if not prints:
            return Memory()
        fixed = self._resident(stage) + sum(
            max(each.fixed for network, each in prints if network == name) for name in {name for name, _ in prints}
        )
        batch = max(each.batch for _, each in prints)
        halved = batch if self.probe.device.type == "cpu" else batch // 2
        return Memory(fixed + batch, fixed + halved, "reckoned")

    def _footprints(self, stage: Stage, effort: Effort) -> list[tuple[str, Footprint]]:
        """Return what each kind of pass takes, with the network it goes through; nothing if one is not known."""
        data, precision = self._data(stage), stage.facts["precision"]
        passes = [each for each in effort.passes if each.images]
        found = [self.probe.footprint(self._network(stage, each), data, each, precision) for each in passes]
        known: list[tuple[str, Footprint]] = []
        for each, took in zip(passes, found, strict=True):
            if took is None:
                return []
            known.append((each.network, took))
        return known

    def _like(self, stage: Stage) -> list[Mapping[str, Any]]:
        return self.known.get(_likeness(stage.kind, stage.facts, stage.inputs, self.device), [])

    def _network(self, stage: Stage, passes: Passes) -> Spec:
        return stage.specs[_ROLES[passes.network]]

    def _resident(self, stage: Stage) -> int:
        """Return the bytes of what lies in memory beside networks: the process itself, and whole splits."""
        from ddbench.kit.reading import fits

        data, place = self._data(stage), self.probe.device
        splits = {"squeeze": ("train", "test"), "evaluate": ("test",)}.get(stage.kind, ())
        sizes = [data.sizes[split] * data.channels * data.image_size**2 for split in splits]
        return self.own + sum(nbytes for nbytes in sizes if fits(nbytes, place))

    def _seconds(self, stage: Stage, effort: Effort) -> float | None:
        times = [self.probe.seconds(self._network(stage, each), self._data(stage), each) for each in effort.passes]
        return None if None in times else sum(filter(None, times))

    def effort(self, stage: Stage) -> Effort | None:
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
        shards = [key for role, key in stage.inputs.items() if role.startswith("shard.")]
        return len(shards) * self._images(self.plan.stages[shards[0]]) if shards else 0  # several are all alike

    def _bytes(self, stage: Stage, effort: Effort | None) -> int | None:
        data = self._data(stage)
        if stage.kind == "squeeze":
            return self.probe.weight_bytes(stage.specs["teacher_architecture"], data)
        if stage.kind == "synthesize":
            return self._images(stage) * (data.channels * data.image_size**2 + _LABEL_BYTES)
        return None if effort is None else effort.stored_bytes
