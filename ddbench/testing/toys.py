"""A component of each kind that computes in milliseconds: ``toy`` data, a ``toy`` network, and what works on them.

The module is a plugin: name it under the entry-point group ``ddbench`` of a test's environment, or hand its
components to a task directly.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Ge, Gt

from ddbench import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

    from ddbench.kit.diffusion import Diffusion
    from ddbench.types import (
        Batch,
        DatasetSpec,
        DiagnosticTask,
        EvaluationTask,
        Examples,
        Labels,
        LabelsTask,
        LoadTask,
        Measures,
        Place,
        PrepareTask,
        PretrainTask,
        RelabelTask,
        Split,
        SqueezeTask,
        SynthesisTask,
    )

_PER_CLASS = {"train": 20, "test": 10}


@hookimpl
def ddbench_datasets() -> dict[str, str | type]:
    """Hand over the toy data."""
    return {"toy": ToyDataset}


@hookimpl
def ddbench_architectures() -> dict[str, str | type]:
    """Hand over the toy network."""
    return {"toy-net": ToyNet}


@hookimpl
def ddbench_teachers() -> dict[str, str | type]:
    """Hand over the toy teacher."""
    return {"toy-teacher": ToyTeacher}


@hookimpl
def ddbench_generators() -> dict[str, str | type]:
    """Hand over the toy generators."""
    return {"toy-generator": ToyGenerator}


@hookimpl
def ddbench_synthesizers() -> dict[str, str | type]:
    """Hand over the toy synthesizers."""
    return {"toy-synth": ToySynth, "toy-joint": ToyJoint, "toy-drawn": ToyDrawn}


@hookimpl
def ddbench_labelers() -> dict[str, str | type]:
    """Hand over the toy labeler."""
    return {"toy-labels": ToyLabels}


@hookimpl
def ddbench_evaluators() -> dict[str, str | type]:
    """Hand over the toy exam."""
    return {"toy-exam": ToyExam}


@hookimpl
def ddbench_diagnostics() -> dict[str, str | type]:
    """Hand over the toy diagnostic."""
    return {"toy-look": ToyLook}


@dataclass(frozen=True)
class ToyExamples:
    """Images in memory."""

    pixels: Tensor
    labels: Tensor

    def images(self, indices: Tensor | slice) -> Tensor:
        """Return uint8 images (B, C, H, W)."""
        return self.pixels[indices]


@dataclass(frozen=True)
class ToyDataset:
    """Stripes, one direction and width a class, under noise: any network tells them apart (made up here).

    Attributes:
        classes: number of classes.
        size: height and width in pixels.
        channels: 1 or 3.
    """

    version: ClassVar[int] = 1

    classes: Annotated[int, Ge(2)] = 3
    size: Annotated[int, Ge(4)] = 8
    channels: Annotated[int, Ge(1)] = 1

    def spec(self, place: Place) -> DatasetSpec:  # noqa: ARG002 - nothing lies on disk
        """Describe the stripes."""
        from ddbench.types import DatasetSpec

        return DatasetSpec(
            name="toy",
            recipe="toy",
            num_classes=self.classes,
            image_size=self.size,
            channels=self.channels,
            mean=(0.5,) * self.channels,
            std=(0.3,) * self.channels,
            sizes={split: count * self.classes for split, count in _PER_CLASS.items()},
            class_counts=(_PER_CLASS["train"],) * self.classes,
            fingerprint=hashlib.sha256(repr(self).encode()).hexdigest(),
            class_names=tuple(f"stripes {label}" for label in range(self.classes)),
        )

    def open(self, split: Split, place: Place) -> Examples:  # noqa: ARG002 - nothing lies on disk
        """Draw one split."""
        import torch

        from ddbench.kit.rng import generator

        labels = torch.arange(self.classes).repeat_interleave(_PER_CLASS[split])
        axis = torch.arange(self.size, dtype=torch.float32)
        rows, columns = axis.view(-1, 1), axis.view(1, -1)
        angle = labels.view(-1, 1, 1) * torch.pi / self.classes
        stripes = torch.sin(1.5 * (torch.cos(angle) * rows + torch.sin(angle) * columns))
        noise = torch.randn(len(labels), self.channels, self.size, self.size, generator=generator(0, "toy", split))
        pixels = (127 + 90 * stripes.unsqueeze(1) + 20 * noise).clamp(0, 255).to(torch.uint8)
        return ToyExamples(pixels, labels)


@dataclass(frozen=True)
class ToyNet:
    """One convolution with batch norm and one linear layer (made up here).

    Attributes:
        width: channels of the convolution.
    """

    version: ClassVar[int] = 1

    width: Annotated[int, Gt(0)] = 8

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network."""
        from torch import nn

        return nn.Sequential(
            nn.Conv2d(data.channels, self.width, 3, padding=1, bias=False),
            nn.BatchNorm2d(self.width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * self.width, data.num_classes),
        )


def _descend(model: nn.Module, images: Tensor, targets: Tensor, steps: int) -> float:
    """Train on the whole set at once; returns the last loss."""
    import torch
    from torch.nn.functional import cross_entropy

    optimizer = torch.optim.SGD(model.train().parameters(), lr=0.1, momentum=0.9)
    loss = torch.zeros(())
    for _ in range(steps):
        optimizer.zero_grad()
        loss = cross_entropy(model(images), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return loss.item()


@dataclass(frozen=True)
class ToyTeacher:
    """A few steps of gradient descent (made up here).

    Attributes:
        architecture: what is trained.
        steps: of gradient descent, on the whole training split.
        seed: of the weights.
    """

    version: ClassVar[int] = 1

    architecture: str = "toy-net"
    steps: Annotated[int, Ge(0)] = 15
    seed: Annotated[int, Ge(0)] = 0

    def squeeze(self, task: SqueezeTask) -> nn.Module:
        """Train and return the network."""
        from ddbench.kit.pixels import normalise

        model = task.build().to(task.compute.device)
        images = normalise(task.train.images(slice(None)), task.data).to(task.compute.device)
        _descend(model, images, task.train.labels.to(task.compute.device), self.steps)
        task.compute.progress(self.steps, max(self.steps, 1), loss=0.0)
        return model


@dataclass(frozen=True)
class ToyGenerator:
    """A diffusion of pixels that knows the mean image of each class, and no more (made up here).

    Attributes:
        brightness: added to the means, in levels of 255.
        seed: of the training, which draws nothing.
    """

    version: ClassVar[int] = 1

    brightness: float = 0.0
    seed: Annotated[int, Ge(0)] = 0

    def pretrain(self, task: PretrainTask) -> Mapping[str, Tensor]:
        """Return the mean image of each class, in [-1, 1]."""
        import torch

        images = task.train.images(slice(None)).float().add(self.brightness).div(127.5).sub(1)
        means = [images[task.train.labels == label].mean(0) for label in range(task.data.num_classes)]
        task.compute.progress(1, 1)
        return {"means": torch.stack(means)}

    def load(self, task: LoadTask) -> Diffusion:
        """Return a network that takes for noise whatever differs from the mean of the class."""
        import torch

        from ddbench.kit.diffusion import Diffusion, Pixels, linear_alphas
        from ddbench.testing.toy_diffusion import MeanOfClass

        data, alphas = task.data, linear_alphas()
        network = MeanOfClass(task.weights["means"], alphas).to(task.device).eval().requires_grad_(requires_grad=False)
        shape = (data.channels, data.image_size, data.image_size)
        conditions = torch.arange(data.num_classes)
        return Diffusion(network, Pixels(), alphas, conditions, data.num_classes, shape)


@dataclass(frozen=True)
class ToySynth:
    """Real images under a little noise, index by index (made up here).

    Attributes:
        noise: standard deviation, in levels of 255; the teacher's weights add to it by their own deviation.
        fail_at: an index that raises, to see what a failure does; -1 for none.
    """

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = True

    noise: Annotated[float, Ge(0)] = 5.0
    fail_at: int = -1

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        """Yield one image of every class for each index."""
        noise = self.noise * (1 + next(task.teacher().parameters()).std().item())
        for index in task.indices:
            if index == self.fail_at:
                raise RuntimeError(f"told to fail at index {index}")
            yield _noisy(task, index, noise)
            task.compute.progress(1, 1)


@dataclass(frozen=True)
class ToyJoint:
    """All images at once, from a prepared state (made up here)."""

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = False
    uses_teacher: ClassVar[bool] = False

    def prepare(self, task: PrepareTask) -> Mapping[str, Tensor]:
        """Return a number that all images share."""
        import torch

        return {"brightness": torch.tensor([float(task.train.images(slice(0, 10)).float().mean())])}

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        """Yield one image of every class for each index."""
        for index in task.indices:
            yield _noisy(task, index, float(task.state["brightness"]) / 50)
            task.compute.progress(index + 1, len(task.indices))


@dataclass(frozen=True)
class ToyDrawn:
    """What a generator takes for a clean image behind noise, index by index (made up here).

    Attributes:
        generator: what is asked.
        gain: by which the prepared contrast is multiplied.
        noise: standard deviation added in the end, in levels of 255.
    """

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = False
    uses_generator: ClassVar[bool] = True

    generator: str = "toy-generator"
    gain: float = 1.0
    noise: Annotated[float, Ge(0)] = 5.0

    def prepare_identity(self) -> Mapping[str, object]:
        """Leave out the noise, which comes later."""
        return {"gain": self.gain}

    def prepare(self, task: PrepareTask) -> Mapping[str, Tensor]:
        """Return a contrast."""
        import torch

        task.compute.progress(1, 1)
        return {"contrast": torch.tensor([self.gain * (1 + task.generator().null % 2)])}

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        """Yield one image of every class for each index."""
        import torch

        from ddbench.kit.rng import generator
        from ddbench.types import Batch

        model, labels = task.generator(), torch.arange(task.data.num_classes)
        for index in task.indices:
            noise = torch.randn((len(labels), *model.latent_shape), generator=generator(task.synthesis_seed, index))
            times = torch.full((len(labels),), 500)
            clean = model.estimate(noise, model.noise(noise, times, model.conditions), times)
            pixels = model.codec.decode(clean * task.state["contrast"]).add(1).mul(127.5) + self.noise * noise
            yield Batch(pixels.clamp(0, 255).to(torch.uint8), labels)
            task.compute.progress(1, 1)


def _noisy(task: SynthesisTask, index: int, noise: float) -> Batch:
    import torch

    from ddbench.kit.rng import generator
    from ddbench.types import Batch

    labels = torch.arange(task.data.num_classes)
    real = torch.stack([(task.train.labels == label).nonzero()[index % _PER_CLASS["train"], 0] for label in labels])
    images = task.train.images(real).float()
    images += noise * torch.randn(images.shape, generator=generator(task.synthesis_seed, "noise", index))
    return Batch(images.clamp(0, 255).to(torch.uint8), labels)


@dataclass(frozen=True)
class ToyLabels:
    """The class of each image, one-hot (made up here)."""

    version: ClassVar[int] = 1
    uses_teacher: ClassVar[bool] = False

    def relabel(self, task: RelabelTask) -> Mapping[str, Tensor]:
        """Store the classes."""
        return {"classes": task.distilled.labels}

    def labels(self, task: LabelsTask) -> Labels:
        """Return one-hot targets."""
        from torch.nn.functional import one_hot

        from ddbench.types import Labels

        table = one_hot(task.stored["classes"], task.distilled.data.num_classes).float().to(task.compute.device)
        return Labels(lambda views: table[views.indices.to(table.device)])


@dataclass(frozen=True)
class ToyExam:
    """A few steps of gradient descent on the distilled images as they are, then the test (made up here).

    Attributes:
        steps: of gradient descent.
        nan: report a loss that is not a number, to see what that does.
    """

    version: ClassVar[int] = 1

    steps: Annotated[int, Ge(0)] = 15
    nan: bool = False

    def evaluate(self, task: EvaluationTask) -> Measures:
        """Train one student and test it."""
        from ddbench.kit.pixels import normalise
        from ddbench.kit.train import score
        from ddbench.types import Measures, Point

        data, compute = task.distilled.data, task.compute
        model = task.build().to(compute.device)
        loss = _descend(
            model,
            normalise(task.distilled.images, data).to(compute.device),
            task.distilled.labels.to(compute.device),
            self.steps,
        )
        compute.progress(self.steps, max(self.steps, 1), loss=loss)
        scored = score(model, task.test, data, compute)
        return Measures(
            scored.top1,
            scored.top5,
            scored.top1,
            float("nan") if self.nan else scored.loss,
            (Point(1, loss, scored.top1),),
        )


@dataclass(frozen=True)
class ToyLook:
    """Mean level of the pixels, of the set and of each class (made up here).

    Attributes:
        fail: raise, to see what a failure does.
    """

    version: ClassVar[int] = 1
    uses_teacher: ClassVar[bool] = False

    fail: bool = False

    def measure(self, task: DiagnosticTask) -> Mapping[str, float]:
        """Return ``level``, 0 to 255."""
        if self.fail:
            raise RuntimeError("told to fail")
        images, labels = task.distilled.images.float(), task.distilled.labels
        names = task.distilled.data.class_names
        classes = {f"level/{name}": images[labels == label].mean().item() for label, name in enumerate(names)}
        return {"level": images.mean().item(), **classes}
