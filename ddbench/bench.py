"""What a stage's verb works with: its components, data, teacher and images, fetched when they are asked for."""

from __future__ import annotations

import copy
import functools
import os
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddbench import holdout, shards
from ddbench.commandline import harmless
from ddbench.environment import distribution_commit, source_digest
from ddbench.errors import UserError
from ddbench.keys import digest
from ddbench.passes import PassCounter
from ddbench.plugins import one_line
from ddbench.registry import registry
from ddbench.types import Compute, Distilled, LoadTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from torch import Tensor, nn

    from ddbench.kit.diffusion import Diffusion
    from ddbench.location import Location
    from ddbench.spec import Spec
    from ddbench.store import AnyStore
    from ddbench.types import DatasetSpec, Examples, Kind, Place, Split, Stage, StageKind


@dataclass(frozen=True)
class Context:
    """Where stages read and write, and on which device; none of it enters a key."""

    store: Location
    place: Place
    device: str


@dataclass
class Bench:
    """What a verb needs, taken from the stage's specs and the store when it is asked for."""

    stage: Stage
    context: Context
    compute: Compute
    store: AnyStore
    passes: PassCounter = field(default_factory=PassCounter)

    def component(self, kind: Kind, role: str = "") -> Any:
        """Return the component of a kind, or the one that plays a role: ``student``, ``teacher_architecture``."""
        return registry().create(kind, self.stage.specs[role or kind])

    def warm_up(self) -> None:
        """Import what the stage needs and open its data: a process does it once, and no stage's cost should be that."""
        stage = self.stage
        for role, spec in stage.specs.items():
            registry().entry(_kind(role), spec.name).load()
        for split in _READ.get(stage.kind, ()):
            self.examples(split)
        taught = ["teacher_architecture"] if stage.kind == "squeeze" or "teacher" in stage.inputs else []
        for role in (*taught, "student"):
            if role in stage.specs:
                _build_once(_untrained(stage.specs[role]), self.data)

    @functools.cached_property
    def data(self) -> DatasetSpec:
        """Return what the images are.

        Raises:
            UserError: the data set has changed since the run was planned.
        """
        facts = self.stage.facts["data"]
        every = facts.get("holdout", 0)
        return _describe(self.stage.specs["dataset"], self.context.place, facts["fingerprint"], every)

    def examples(self, split: Split) -> Examples:
        """Return a split of the data set, opened once in this process, without images that are held out."""
        every = self.data.holdout if split == "train" else 0
        return _open(self.stage.specs["dataset"], split, self.context.place, self.data.fingerprint, every)[0]

    @property
    def validation(self) -> Examples | None:
        """Return the training images that are held out, None where none are."""
        every = self.data.holdout
        if not every:
            return None
        return _open(self.stage.specs["dataset"], "train", self.context.place, self.data.fingerprint, every)[1]

    def build(self, role: str) -> Callable[[], nn.Module]:
        """Return a function that builds the network of a role with fresh weights, drawn from the stage's seed."""
        from ddbench.kit.rng import seeded

        def fresh() -> nn.Module:
            with seeded(self.compute.seed, "weights"):
                return self.component("architecture", role).build(self.data)  # type: ignore[no-any-return]

        return fresh

    def teacher(self) -> nn.Module:
        """Return a fresh copy of the teacher, in eval mode, gradients off, on the stage's device."""
        specs = self.stage.specs
        key, architecture = self.stage.inputs["teacher"], specs["teacher_architecture"]
        model = copy.deepcopy(_teacher(self.store, key, architecture, self.data, self.compute.device))
        return self.passes.watch(model)

    def generator(self) -> Diffusion:
        """Return a fresh copy of the generator, in eval mode, gradients off, on the stage's device.

        Raises:
            UserError: what it is made from (a folder's content) is no longer what was planned.
        """
        facts, spec = self.stage.facts, self.stage.specs["generator"]
        planned = facts["synthesizer"]["generator"]
        require_unchanged(registry().create("generator", spec), planned, "generator")
        key = self.stage.inputs.get("generator", "")
        name = (self.store.location, key, digest(planned), self.data.fingerprint, self.compute.device)
        if name not in _generators:
            weights = self.store.artifact("pretrain", key).tensors("weights") if key else {}
            _generators.clear()
            _generators[name] = _loaded(spec, LoadTask(self.data, weights, self.compute.device))
        model = copy.deepcopy(_generators[name])
        self.passes.watch(model.network)
        return model

    @functools.cached_property
    def state(self) -> Mapping[str, Tensor]:
        """Return what the synthesizer prepared, an empty mapping where it prepares nothing."""
        key = self.stage.inputs.get("state", "")
        return self.store.artifact("prepare", key).tensors("state") if key else {}

    @functools.cached_property
    def distilled(self) -> Distilled:
        """Return the distilled set whose shards the stage reads."""
        roles = sorted(
            (role for role in self.stage.inputs if role.startswith("shard.")), key=lambda role: int(role[6:])
        )
        made = shards.read(self.store, [self.stage.inputs[role] for role in roles])
        return Distilled(made.images, made.labels, self.data, len(made.labels) // self.data.num_classes)

    @property
    def sources(self) -> dict[str, str]:
        """Digests of the packages whose components the stage calls, and of the kit."""
        roles = self.stage.specs.items()
        modules = {registry().entry(_kind(role), spec.name).module for role, spec in roles}
        packages = sorted({module.partition(".")[0] for module in modules} | {"ddbench"})
        return {package: source_digest(package) for package in packages}

    @property
    def components(self) -> dict[str, dict[str, Any]]:
        """What plays each role in the stage, and who ships it."""
        return {role: _described(_kind(role), spec) for role, spec in self.stage.specs.items()}


_READ: dict[StageKind, tuple[Split, ...]] = {
    "squeeze": ("train", "test"),
    "pretrain": ("train",),
    "prepare": ("train",),
    "synthesize": ("train",),
    "evaluate": ("test",),
}


_built: set[Spec] = set()


def _build_once(architecture: Spec, data: DatasetSpec) -> None:
    """Build a network and drop it, once in this process: its library may be imported only then."""
    if architecture not in _built:
        registry().create("architecture", architecture).build(data)
        _built.add(architecture)


def _untrained(architecture: Spec) -> Spec:
    """Return an architecture that asks no hub for weights."""
    return architecture.with_params(pretrained=False) if "pretrained" in architecture.mapping() else architecture


def _described(kind: Kind, spec: Spec) -> dict[str, Any]:
    entry = registry().entry(kind, spec.name)
    shipped = entry.plugin.distribution
    commit = None if shipped == "ddbench" else distribution_commit(shipped)  # ddbench's own is the environment's
    return {
        "spec": harmless(str(spec)),
        "version": entry.load().version,  # type: ignore[attr-defined]  # load() has seen to it
        "distribution": f"{shipped} {entry.plugin.version}",
        **({"commit": commit} if commit else {}),
    }


def _kind(role: str) -> Kind:
    """Return the kind of the component that plays a role in a stage."""
    return "architecture" if role in {"teacher_architecture", "student"} else role  # type: ignore[return-value]  # the other roles are kinds


@functools.lru_cache(maxsize=4)
def _describe(spec: Spec, place: Place, fingerprint: str, every: int) -> DatasetSpec:
    """Describe the data again; what was planned must still be there."""
    data = holdout.held_out(registry().create("dataset", spec).spec(place), every)
    if data.fingerprint != fingerprint:
        raise UserError(f"dataset '{data.name}' has changed since the run was planned; give the command again")
    return data


@functools.lru_cache(maxsize=4)
def _open(
    spec: Spec,
    split: Split,
    place: Place,
    fingerprint: str,  # noqa: ARG001 - names the content
    every: int,
) -> tuple[Examples, Examples | None]:
    """Open a split; returns what methods see of it, and what is held out."""
    from ddbench.kit.reading import Part

    whole: Examples = registry().create("dataset", spec).open(split, place)
    if not every:
        return whole, None
    left, held = holdout.parts(whole.labels, every)
    return Part.of(whole, left), Part.of(whole, held)


_teachers: dict[tuple[Any, ...], nn.Module] = {}


def _teacher(store: AnyStore, key: str, architecture: Spec, data: DatasetSpec, device: torch.device) -> nn.Module:
    """Return the stored teacher itself, kept for the next stage of this process; callers copy it."""
    from ddbench.kit.device import freeze, place

    name = (store.location, key, device)
    if name not in _teachers:
        model = registry().create("architecture", _untrained(architecture)).build(data)  # the store has the weights
        model.load_state_dict(store.artifact("squeeze", key).tensors("weights"))
        _teachers.clear()
        _teachers[name] = freeze(place(model, device))
    return _teachers[name]


_BUILT_ON = ("architecture", "generator")  # specs of other components, in whose place keys hold what these are


def require_unchanged(component: Any, planned: Mapping[str, Any], kind: Kind) -> None:
    """Raise a UserError if what a component is made from (a file's content) is no longer what was planned."""
    now = component.identity() if hasattr(component, "identity") else {}
    if any(planned[name] != value for name, value in now.items() if name not in _BUILT_ON):
        raise UserError(f"the {kind}'s file has changed since the run was planned; give the command again")


_generators: dict[tuple[Any, ...], Diffusion] = {}  # the last one, kept for the next stage of this process


def _loaded(spec: Spec, task: LoadTask) -> Diffusion:
    from ddbench.kit.device import freeze

    model: Diffusion = registry().create("generator", spec).load(task)
    freeze(model.network)
    return model


def resolve_device(name: str) -> torch.device:
    """Return the device that a name stands for: ``auto`` is a CUDA device where there is one, else the processor."""
    import torch

    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def make_repeatable(seed: int, device: torch.device) -> None:
    """Seed every global generator, and ask torch for algorithms that give the same bits each time."""
    import numpy as np
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS may sum in another order each time
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
        # else every output would be written twice
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a module's property


def require_device(name: str) -> None:
    """Raise a UserError unless torch knows a device and has it here."""
    import torch

    if name == "auto":
        return
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device '{name}' cannot be used: {one_line(error)}; see 'ddbench env'") from None
