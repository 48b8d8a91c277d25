"""One promise broken at a time, by a toy that keeps all the others."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch

from ddbench.testing.conformance import check_synthesizer
from ddbench.testing.toys import ToyDrawn, ToyJoint, ToySynth
from ddbench.types import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from ddbench.types import PrepareTask, SynthesisTask

COUNTER = itertools.count(1)


@dataclass(frozen=True)
class Twisted(ToySynth):
    """Spoils what a toy makes (made up here).

    Attributes:
        noise: as in the toy.
        fail_at: as in the toy.
    """

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        for batch in super().synthesize(task):
            yield self.twist(batch, task)

    def twist(self, batch: Batch, task: SynthesisTask) -> Batch:
        return batch


class FloatImages(Twisted):
    def twist(self, batch: Batch, task: SynthesisTask) -> Batch:
        return Batch(batch.images / 255, batch.labels)


class LargeImages(Twisted):
    def twist(self, batch: Batch, task: SynthesisTask) -> Batch:
        return Batch(torch.nn.functional.pad(batch.images, (1, 1, 1, 1)), batch.labels)


class ShortLabels(Twisted):
    def twist(self, batch: Batch, task: SynthesisTask) -> Batch:
        return Batch(batch.images, batch.labels.int())


class LabelsFromOne(Twisted):
    def twist(self, batch: Batch, task: SynthesisTask) -> Batch:
        return Batch(batch.images, batch.labels + 1)


class OneClassOnly(Twisted):
    def twist(self, batch: Batch, task: SynthesisTask) -> Batch:
        return Batch(batch.images, torch.zeros_like(batch.labels))


class NoImages(Twisted):
    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        yield from ()


class Restless(Twisted):
    def twist(self, batch: Batch, task: SynthesisTask) -> Batch:
        return Batch(batch.images.roll(next(COUNTER), 3), batch.labels)


class SeedBlind(Twisted):
    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        yield from super().synthesize(dataclasses.replace(task, synthesis_seed=0))


class SayingSo(SeedBlind):
    draws: ClassVar[bool] = False


class DrawsInSecret(Twisted):
    draws: ClassVar[bool] = False


class IndexBlind(Twisted):
    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        yield from super().synthesize(dataclasses.replace(task, indices=(0,)))


class Chained(Twisted):
    before: ClassVar[dict[str, Any]] = {}  # what an instance must not remember

    def twist(self, batch: Batch, task: SynthesisTask) -> Batch:
        shift = self.before.get("index") == 0 and task.indices == (1,)
        self.before["index"] = task.indices[0]
        return Batch(batch.images.roll(int(shift), 3), batch.labels)


class Silent(Twisted):
    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        compute = dataclasses.replace(task.compute, progress=lambda *_, **__: None)
        yield from super().synthesize(dataclasses.replace(task, compute=compute))


class BeyondTheEnd(Twisted):
    def twist(self, batch: Batch, task: SynthesisTask) -> Batch:
        task.compute.progress(2, 1)
        return batch


class TeacherUnasked(Twisted):
    uses_teacher: ClassVar[bool] = False


class TeacherInVain(ToyJoint):
    uses_teacher: ClassVar[bool] = True


class GeneratorUnasked(ToyDrawn):
    uses_generator: ClassVar[bool] = False


class GeneratorInVain(ToyJoint):
    uses_generator: ClassVar[bool] = True
    generator: ClassVar[str] = "toy-generator"


class StrangeIdentity(ToyDrawn):
    def prepare_identity(self) -> Mapping[str, object]:
        return {"gain": self.gain, "weather": "fair"}


class PreparesNumbers(ToyJoint):
    def prepare(self, task: PrepareTask) -> Mapping[str, Any]:
        return {"brightness": 3.0}


class Scribbling(Twisted):
    def twist(self, batch: Batch, task: SynthesisTask) -> Batch:
        task.train.labels[0] = 1
        return batch


class OtherDefaults(Twisted):
    def twist(self, batch: Batch, task: SynthesisTask) -> Batch:
        torch.set_default_dtype(torch.float64)
        return batch


@dataclass(frozen=True)
class Everything:
    """All real images, as they should be (made up here)."""

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = False
    uses_teacher: ClassVar[bool] = False
    draws: ClassVar[bool] = False
    whole: ClassVar[bool] = True

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        assert task.indices == ()
        images, labels = self.twist(task.train.images(slice(None)).flip(0), task.train.labels.flip(0))
        yield Batch(images, labels)
        task.compute.progress(1, 1)

    def twist(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return images, labels


class AllButOne(Everything):
    def twist(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return images[1:], labels[1:]


class OneTwice(Everything):
    def twist(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        images[0] = images[1]
        return images, labels


class SwappedLabels(Everything):
    def twist(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return images, labels.roll(1)


class WholeByIndex(Everything):
    isolated: ClassVar[bool] = True


class WholeByWord(Everything):
    whole: ClassVar[Any] = "yes"


BROKEN = {
    FloatImages: "makes images of torch.float32, not of uint8",
    LargeImages: r"makes images of shape \(3, 1, 10, 10\), not \(3, 1, 8, 8\)",
    ShortLabels: "gives labels of torch.int32, not of int64",
    LabelsFromOne: r"gives labels outside 0 \.\. num_classes - 1",
    OneClassOnly: r"makes \[3, 0, 0\] images of the classes where \[1, 1, 1\] were asked",
    NoImages: "makes no images",
    Restless: "gives other images when asked again with the same seed",
    SeedBlind: "gives the same images whatever the synthesis seed",
    DrawsInSecret: "says draws = False and gives other images at another synthesis seed",
    IndexBlind: "makes the same images for every index",
    Chained: "makes other images of an index alone than after the others",
    Silent: "never calls compute.progress",
    BeyondTheEnd: r"tells a progress outside 0 \.\. total",
    TeacherUnasked: "calls task.teacher\\(\\) though it says uses_teacher = False",
    TeacherInVain: "says uses_teacher = True and never calls task.teacher\\(\\)",
    GeneratorUnasked: "calls task.generator\\(\\) and does not say uses_generator = True",
    GeneratorInVain: "says uses_generator = True and never calls task.generator\\(\\)",
    StrangeIdentity: "says that weather decides what it prepares, which is no field",
    PreparesNumbers: "prepares something else than tensors by name",
    Scribbling: "changes the images or labels it was handed",
    OtherDefaults: "leaves torch's global settings changed",
    AllButOne: r"makes \[20, 20, 19\] images of the classes where \[20, 20, 20\] were asked",
    OneTwice: "says whole = True and hands over other images than those of the training set",
    SwappedLabels: "says whole = True and hands over other images than those of the training set",
    WholeByIndex: "is both 'whole' and 'isolated', one index at a time",
    WholeByWord: r"says 'whole' otherwise than by a ClassVar\[bool\]",
}


@pytest.fixture(autouse=True)
def settings_back() -> Iterator[None]:
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(("broken", "sentence"), BROKEN.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_promise_is_named(broken: type[Any], sentence: str) -> None:
    broken.__doc__ = inspect.getdoc(broken)
    with pytest.raises(AssertionError, match=f"^{broken.__name__} {sentence}"):
        check_synthesizer(broken())


def test_a_method_of_real_images_must_refuse_more_than_there_are() -> None:
    with pytest.raises(AssertionError, match="ToySynth accepts an ipc above the number of images a class has"):
        check_synthesizer(ToySynth(), real_images=True)


def test_the_whole_training_set_in_any_order_keeps_its_promises() -> None:
    check_synthesizer(Everything())


def test_a_method_that_draws_nothing_may_say_so() -> None:
    SayingSo.__doc__ = inspect.getdoc(SeedBlind)
    check_synthesizer(SayingSo())
