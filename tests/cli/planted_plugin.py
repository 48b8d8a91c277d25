"""Components that break one promise each, and a sound one: the source of a plugin that tests install."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ddbench import hookimpl
from ddbench.testing.toys import ToyExam, ToySynth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from ddbench.types import Batch, Compute, EvaluationTask, Measures, SynthesisTask

COUNTER = itertools.count(1)
BROKEN: dict[str, str] = {}
"""Which promise a component of that name breaks."""

_CLASSES: dict[str, type] = {}


def breaks(promise: str) -> Any:
    """Name a class after itself, and note which promise it breaks."""

    def named(target: type) -> type:
        target.__doc__ = inspect.getdoc(target)  # that of the toy, unless it has its own
        name = target.__name__.lower()
        _CLASSES[name] = target
        if promise:
            BROKEN[name] = promise
        return target

    return named


@hookimpl
def ddbench_synthesizers() -> dict[str, str | type]:
    return {name: target for name, target in _CLASSES.items() if hasattr(target, "synthesize")}


@hookimpl
def ddbench_evaluators() -> dict[str, str | type]:
    return {name: target for name, target in _CLASSES.items() if hasattr(target, "evaluate")}


@breaks("")
class Sound(ToySynth):
    """Keeps every promise (made up here).

    Attributes:
        noise: as in the toy.
        fail_at: as in the toy.
    """

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        for batch in super().synthesize(task):
            yield dataclasses.replace(batch, images=self.images(batch.images), labels=self.labels(batch.labels))

    def images(self, images: Tensor) -> Tensor:
        return images

    def labels(self, labels: Tensor) -> Tensor:
        return labels


@breaks("makes as many images of each class as were asked")
class Unequal(Sound):
    def labels(self, labels: Tensor) -> Tensor:
        return labels.clamp(max=1)


@breaks("makes images of the data set's shape")
class Cropped(Sound):
    def images(self, images: Tensor) -> Tensor:
        return images[..., 1:]


@breaks("makes uint8 images, levels 0 to 255")
class Floats(Sound):
    def images(self, images: Tensor) -> Tensor:
        return images.float()


@breaks("makes uint8 images, levels 0 to 255")
class Dark(Sound):
    def images(self, images: Tensor) -> Tensor:
        return (images.float() / 255).round().to(images.dtype)


@breaks("labels images with int64 classes")
class FromOne(Sound):
    def labels(self, labels: Tensor) -> Tensor:
        return labels + 1


@breaks("makes images")
class Nothing(Sound):
    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        yield from ()


@breaks("makes the same images from the same seed")
class Joint(Sound):
    isolated: ClassVar[bool] = False  # so that an index alone is not asked, and cannot differ either

    def images(self, images: Tensor) -> Tensor:
        return images.roll(next(COUNTER), 3)


@breaks("makes other images from another seed")
class SeedBlind(Sound):
    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        yield from super().synthesize(dataclasses.replace(task, synthesis_seed=0))


@breaks("makes another image for each index")
class Constant(Sound):
    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        yield from super().synthesize(dataclasses.replace(task, indices=(0,)))


@breaks("makes an image alike, whatever else is asked")
class Remembering(Sound):
    before: ClassVar[list[int]] = []

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        shift = self.before[-1:] == [0] and task.indices == (1,)
        self.before.append(task.indices[0])
        for batch in super().synthesize(task):
            yield dataclasses.replace(batch, images=batch.images.roll(int(shift), 3))


@breaks("leaves the teacher and the data as they were")
class Climbing(Sound):
    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        yield from super().synthesize(task)
        bench: Any = task.teacher
        bench.__self__.original[-1].bias.data.mul_(2)


@breaks("leaves the teacher and the data as they were")
class Scribbling(Sound):
    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        yield from super().synthesize(task)
        task.train.images(slice(None))[-1] += 1


@breaks("leaves torch's settings as they were")
class Grudging(Sound):
    def images(self, images: Tensor) -> Tensor:
        import torch

        torch.set_grad_enabled(False)
        return images


@breaks("tells how far it is")
class Silent(Sound):
    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        compute: Compute = dataclasses.replace(task.compute, progress=lambda *_, **__: None)
        yield from super().synthesize(dataclasses.replace(task, compute=compute))


@breaks("asks for a teacher if it says so, and only then")
class Untaught(Sound):
    uses_teacher: ClassVar[bool] = False


@breaks("makes images")
class Raising(Sound):
    def images(self, images: Tensor) -> Tensor:
        raise RuntimeError("out of\nideas")


@breaks("has a key that JSON can hold, the same at every call")
class Unwritable(Sound):
    def identity(self) -> Mapping[str, object]:
        return {"noise": {self.noise}}


@breaks("has a key that JSON can hold, the same at every call")
class Drifting(Sound):
    def identity(self) -> Mapping[str, object]:
        return {"noise": next(COUNTER)}


@breaks("can be sent to a worker process")
class Clinging(Sound):
    def __reduce__(self) -> Any:
        raise TypeError("it holds an open file")


@breaks("is a frozen dataclass with a version")
class Versioned(Sound):
    version: ClassVar[bool] = True


@breaks("is a frozen dataclass with a version")
@dataclass
class Thawed:
    """Can be changed (made up here)."""

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = False

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        yield from ToySynth().synthesize(task)


@breaks("says in its docstring what it is, and what each field means")
@dataclass(frozen=True)
class Terse(Sound):
    """Explains no field (made up here)."""


@breaks("names its source")
@dataclass(frozen=True)
class Sourceless(Sound):
    """Comes from nowhere.

    Attributes:
        noise: as in the toy.
        fail_at: as in the toy.
    """


@breaks("can be loaded")
class Undeclared(Sound):
    isolated: ClassVar[Any] = "yes"


@breaks("measures the same from the same seed")
class Moody(ToyExam):
    def evaluate(self, task: EvaluationTask) -> Measures:
        return dataclasses.replace(super().evaluate(task), loss=random.random())  # noqa: S311 - no secret


@breaks("measures accuracies in percent, and a finite loss")
class Boastful(ToyExam):
    def evaluate(self, task: EvaluationTask) -> Measures:
        measures = super().evaluate(task)
        return dataclasses.replace(measures, top1=measures.top1 + 100, top5=400.0, top1_best=400.0)
