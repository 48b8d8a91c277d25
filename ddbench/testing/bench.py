"""Tasks on toys: what the stage runner would hand to a component, ready for a test."""

from __future__ import annotations

import copy
import functools
import hashlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ddbench.kit import device, rng, views
from ddbench.testing import toys
from ddbench.types import (
    Batch,
    CheckTask,
    ComparisonTask,
    Compute,
    DiagnosticTask,
    Distilled,
    EpochViews,
    EvaluationTask,
    LabelsTask,
    LoadTask,
    Place,
    PrepareTask,
    PretrainTask,
    RelabelTask,
    SqueezeTask,
    SynthesisTask,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from torch import Tensor, nn

    from ddbench.kit.diffusion import Diffusion
    from ddbench.protocols import Architecture, Dataset
    from ddbench.types import DatasetSpec, Examples, Labels, T, Views

IPC = 2
_TEACHER_SEED = 97
_EPOCHS, _VIEWS_AT_ONCE = 2, 4
_AUGMENTATION = views.Augmentation(padding=1, flip=True, mixup=0.8)


@dataclass
class Bench:
    """A small world on the CPU: data, a network, a teacher trained for a moment, and tasks made of them.

    Attributes:
        dataset: the real data.
        architecture: of the teacher and of students.
        place: where data sets may look and keep files; the toys need none.
        heard: what components told of their progress: (done, total), in order.
        teachers: how many copies of the teacher were asked for.
        generators: how many copies of the generator.
    """

    dataset: Dataset = field(default_factory=toys.ToyDataset)
    architecture: Architecture = field(default_factory=toys.ToyNet)
    place: Place = field(default_factory=lambda: Place(Path("data"), Path("data")))
    heard: list[tuple[int, int]] = field(default_factory=list)
    teachers: int = 0
    generators: int = 0

    @functools.cached_property
    def data(self) -> DatasetSpec:
        """What is known of the data."""
        return self.dataset.spec(self.place)

    @functools.cached_property
    def train(self) -> Examples:
        """The training split."""
        return self.dataset.open("train", self.place)

    @functools.cached_property
    def test(self) -> Examples:
        """The test split."""
        return self.dataset.open("test", self.place)

    def compute(self, seed: int) -> Compute:
        """Compute on the CPU in float32; progress is heard."""
        return Compute(torch.device("cpu"), "float32", seed, self._hear)

    def _hear(self, done: int, total: int, **numbers: float) -> None:  # noqa: ARG002 - components may tell any number
        self.heard.append((done, total))

    def build(self, seed: int) -> nn.Module:
        """Return the network, its weights drawn from a seed."""
        with rng.seeded(seed, "weights"):
            return self.architecture.build(self.data)

    def teacher(self) -> nn.Module:
        """Return a fresh copy of the teacher, in eval mode, gradients off."""
        self.teachers += 1
        return copy.deepcopy(self.original)

    @functools.cached_property
    def original(self) -> nn.Module:
        """The teacher itself, of which tasks hand out copies."""
        heard = len(self.heard)
        model = toys.ToyTeacher().squeeze(self.squeeze_task(_TEACHER_SEED))
        del self.heard[heard:]
        return device.freeze(model)

    def generator(self) -> Diffusion:
        """Return a fresh copy of the toy generator, in eval mode, gradients off."""
        self.generators += 1
        return copy.deepcopy(self._generator)

    @functools.cached_property
    def _generator(self) -> Diffusion:
        heard, component = len(self.heard), toys.ToyGenerator()
        with tempfile.TemporaryDirectory() as folder:
            weights = component.pretrain(self.pretrain_task(Path(folder)))
        del self.heard[heard:]
        return component.load(self.load_task(weights))

    def distilled(self, ipc: int = IPC) -> Distilled:
        """Return the first training images of each class as a distilled set."""
        classes = range(self.data.num_classes)
        first = [(self.train.labels == label).nonzero()[:ipc, 0] for label in classes]
        chosen = torch.stack(first, dim=1).flatten()
        return Distilled(self.train.images(chosen).clone(), self.train.labels[chosen].clone(), self.data, ipc)

    def views(self, distilled: Distilled, seed: int = 0) -> EpochViews:
        """Return what a student sees of a distilled set in two epochs: shifted, mirrored and blended images."""

        def of(epoch: int) -> Iterable[Views]:
            return views.views(distilled.images, self.data, _AUGMENTATION, _VIEWS_AT_ONCE, seed, epoch)

        return EpochViews(_EPOCHS, of)

    # ---------------------------------------------------------------------------------------------- tasks

    def check_task(self, ipc: int = 1) -> CheckTask:
        """What ``check`` looks at."""
        return CheckTask(self.data, ipc, lambda: self.build(0))

    def squeeze_task(self, seed: int = 0) -> SqueezeTask:
        """Make a teacher."""
        return SqueezeTask(self.data, self.train, self.test, lambda: self.build(seed), self.compute(seed))

    def pretrain_task(self, workspace: Path, seed: int = 0) -> PretrainTask:
        """Train a generator."""
        compute = self.compute(rng.derive(seed, "pretrain"))
        return PretrainTask(self.data, self.train, compute, workspace, workspace / "cache")

    def load_task(self, weights: Mapping[str, Tensor]) -> LoadTask:
        """Hand out a generator."""
        return LoadTask(self.data, weights, torch.device("cpu"))

    def prepare_task(self, workspace: Path, seed: int = 0) -> PrepareTask:
        """Compute what a synthesizer's images share."""
        compute, cache = self.compute(rng.derive(seed, "prepare")), workspace / "cache"
        return PrepareTask(self.data, self.train, self.teacher, compute, workspace, cache, self.generator)

    def synthesis_task(
        self, *indices: int, seed: int = 0, state: Mapping[str, Tensor] | None = None, joint: bool = False
    ) -> SynthesisTask:
        """Make images of some ipc indices: of an isolated synthesizer one, of a ``joint`` one all from 0."""
        part = len(indices) if joint else indices[0]
        compute = self.compute(rng.derive(seed, "synthesize", part))
        return SynthesisTask(self.data, self.train, self.teacher, state or {}, indices, seed, compute, self.generator)

    def relabel_task(self, distilled: Distilled, seen: EpochViews | None = None) -> RelabelTask:
        """Store what students need beside the images; ``seen`` is for labelers of single views."""
        return RelabelTask(distilled, self.teacher, self.compute(rng.derive(0, "relabel", "all")), seen)

    def labels_task(self, distilled: Distilled, stored: Mapping[str, Tensor], seed: int = 0) -> LabelsTask:
        """Hand out targets."""
        return LabelsTask(distilled, stored, self.teacher, self.compute(rng.derive(seed, "evaluate", "all")))

    def evaluation_task(self, distilled: Distilled, labels: Labels, seed: int = 0) -> EvaluationTask:
        """Train a student and test it."""
        compute = self.compute(rng.derive(seed, "evaluate", "all"))
        return EvaluationTask(distilled, labels, self.test, lambda: self.build(compute.seed), compute)

    def diagnostic_task(
        self, distilled: Distilled, temperature: float = 4.0, memory: dict[Hashable, Any] | None = None
    ) -> DiagnosticTask:
        """Look at a distilled set; tasks share what they compute once where they are given one memory."""
        held: dict[Hashable, Any] = {} if memory is None else memory
        key = hashlib.sha256(distilled.images.numpy().tobytes()).hexdigest()

        def once(name: Hashable, make: Callable[[], T], /) -> T:
            if name not in held:
                held[name] = make()
            found: T = held[name]
            return found

        return DiagnosticTask(distilled, key, self.train, self.teacher, temperature, once, self.compute(0))

    def comparison_task(self, *measures: Mapping[str, float]) -> ComparisonTask:
        """Draw what a diagnostic measured in several sets, here of one method and several synthesis seeds."""
        import pandas as pd

        known = {"synthesizer": "toy-synth", "ipc": IPC}
        rows = [
            {**known, "synthesis_seed": seed, "measure": measure, "class": label, "value": value}
            for seed, each in enumerate(measures)
            for (measure, _, label), value in ((name.partition("/"), value) for name, value in each.items())
        ]
        return ComparisonTask(self.data, pd.DataFrame(rows), self.compute(0))


def joined(batches: Iterable[Batch]) -> Batch:
    """Return batches as one."""
    made = list(batches)
    return Batch(torch.cat([batch.images for batch in made]), torch.cat([batch.labels for batch in made]))
