"""Components that the tests of the core need beside the toys: faulty, curious. A fixture installs them."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch

from ddbench import UserError, hookimpl
from ddbench.testing.toys import ToyDataset, ToyExam, ToyLabels, ToySynth, ToyTeacher
from ddbench.types import Batch, EpochViews, Labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor, nn

    from ddbench.types import (
        CheckTask,
        Compute,
        DatasetSpec,
        Distilled,
        EvaluationTask,
        LabelsTask,
        Measures,
        Place,
        RelabelTask,
        SqueezeTask,
        SynthesisTask,
    )

Fault = Literal["float", "size", "rank", "negative", "beyond", "int32", "column", "missing", "many", "nothing"]


@hookimpl
def ddbench_datasets() -> dict[str, str | type]:
    return {"located": Located}


@hookimpl
def ddbench_teachers() -> dict[str, str | type]:
    return {"located-teacher": LocatedTeacher, "nan-teacher": NanTeacher}


@hookimpl
def ddbench_synthesizers() -> dict[str, str | type]:
    return {
        "faulty": Faulty, "lottery": Lottery, "chatty": Chatty, "vandal": Vandal, "picky": Picky,
        "everything": Everything, "passing": Passing, "hungry": Hungry,
    }  # fmt: skip


@hookimpl
def ddbench_labelers() -> dict[str, str | type]:
    return {"live": Live, "viewed": Viewed}


@hookimpl
def ddbench_evaluators() -> dict[str, str | type]:
    return {"open-exam": OpenExam, "printing": Printing}


@dataclass(frozen=True)
class Located(ToyDataset):
    """The toy data, at a path."""

    path: str = "here"

    def spec(self, place: Place) -> DatasetSpec:
        return ToyDataset().spec(place)


@dataclass(frozen=True)
class LocatedTeacher(ToyTeacher):
    """The toy teacher, at a path whose content counts and whose name does not."""

    path: str = "here"
    content: str = "abc"

    def identity(self) -> Mapping[str, object]:
        return {"content": self.content}


@dataclass(frozen=True)
class NanTeacher(ToyTeacher):
    """A teacher that diverged."""

    def squeeze(self, task: SqueezeTask) -> nn.Module:
        model = task.build()
        next(model.parameters()).data[:] = torch.nan
        return model


@dataclass(frozen=True)
class Faulty:
    """Breaks one clause of the contract."""

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = False

    fault: Fault = "float"

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        images, labels = torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.arange(3)
        broken: dict[Fault, list[tuple[Tensor, Tensor]]] = {
            "float": [(images.float(), labels)],
            "size": [(images[..., :7], labels)],
            "rank": [(images[:, 0], labels)],
            "negative": [(images, labels - 1)],
            "beyond": [(images, labels + 1)],
            "int32": [(images, labels.int())],
            "column": [(images, labels.view(3, 1))],
            "missing": [(images[:2], labels[:2])],
            "many": [(images, labels), (images[:1], labels[:1])],
            "nothing": [],
        }
        return (Batch(*batch) for batch in broken[self.fault])


@dataclass(frozen=True)
class Lottery:
    """Draws from the global generators, once each."""

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = False

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        drawn = [random.randrange(256), np.random.randint(256), int(torch.randint(256, ()))]  # noqa: S311 - not a secret
        yield Batch(torch.tensor(drawn, dtype=torch.uint8).view(3, 1, 1, 1).repeat(1, 1, 8, 8), torch.arange(3))


@dataclass(frozen=True)
class Chatty(ToySynth):
    """Tells its progress at every one of a thousand steps."""

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        for step in range(1000):
            task.compute.progress(step + 1, 1000, loss=float(step))
        return super().synthesize(task)


@dataclass(frozen=True)
class Vandal(ToySynth):
    """Destroys a teacher, and looks whether the next one is whole."""

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        first, second = task.teacher(), task.teacher()
        whole = {name: value.clone() for name, value in first.state_dict().items()}
        for weight in first.train().parameters():
            weight.requires_grad = True
            weight.data.zero_()
        for teacher in (second, task.teacher()):
            _require_whole(teacher, whole)
        return super().synthesize(task)


def _require_whole(teacher: nn.Module, whole: Mapping[str, Tensor]) -> None:
    if teacher.training or any(weight.requires_grad for weight in teacher.parameters()):
        raise AssertionError("the teacher is not frozen")
    if not all(torch.equal(value, whole[name]) for name, value in teacher.state_dict().items()):
        raise AssertionError("the teacher was changed")


@dataclass(frozen=True)
class Picky(ToySynth):
    """Refuses every plan of more than one image per class."""

    def check(self, task: CheckTask) -> None:
        if task.ipc > 1:
            raise UserError(f"picky makes one image per class, not {task.ipc}")


@dataclass(frozen=True)
class Live(ToyLabels):
    """Labels of a live teacher, stored or not.

    Attributes:
        bytes: to store.
    """

    uses_teacher: ClassVar[bool] = True

    bytes: int = 0

    def relabel(self, task: RelabelTask) -> Mapping[str, Tensor]:
        return {"memo": torch.zeros(self.bytes, dtype=torch.uint8)} if self.bytes else {}

    def labels(self, task: LabelsTask) -> Labels:
        teacher: Callable[[Any], Any] = task.teacher()
        return Labels(lambda views: teacher(views.images).softmax(1))


@dataclass(frozen=True)
class Everything:
    """The whole training set, less some images.

    Attributes:
        less: images left out.
    """

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = False
    uses_teacher: ClassVar[bool] = False
    draws: ClassVar[bool] = False
    whole: ClassVar[bool] = True

    less: int = 0

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        assert task.indices == ()
        for part in torch.split(torch.arange(self.less, len(task.train.labels)), 7):
            yield Batch(task.train.images(part), task.train.labels[part])


@dataclass(frozen=True)
class Passing(ToySynth):
    """Sends 4 images forward and back, then 3 forward alone, then 2 forward and back through another copy."""

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        images = task.train.images(slice(0, 4)).float().requires_grad_()
        first, second = task.teacher(), copy.deepcopy(task.teacher())
        first(images).sum().backward()
        with torch.no_grad():
            first(images[:3])
        torch.autograd.grad(second(images[:2]).sum(), images)
        return super().synthesize(task)


@dataclass(frozen=True)
class OpenExam(ToyExam):
    """Tells its views, which hold the seed that they are made under."""

    def views(self, distilled: Distilled, compute: Compute) -> EpochViews:
        return EpochViews(self.steps, lambda epoch: [compute.seed, epoch, len(distilled.images)])  # type: ignore[list-item]

    def evaluate(self, task: EvaluationTask) -> Measures:
        task.labels.targets(task.compute.seed)  # type: ignore[arg-type]
        return super().evaluate(task)


@dataclass(frozen=True)
class Printing(ToyExam):
    """An exam whose authors print the best accuracy."""

    reports: str = "best"


@dataclass(frozen=True)
class Viewed(ToyLabels):
    """Stores what it is shown, and compares it with the student's own seed."""

    per_view: ClassVar[bool] = True

    def relabel(self, task: RelabelTask) -> Mapping[str, Tensor]:
        assert task.views is not None
        return {"shown": torch.tensor([list(task.views.of(epoch)) for epoch in range(task.views.epochs)])}

    def labels(self, task: LabelsTask) -> Labels:
        def targets(seed: Any) -> Tensor:
            assert set(task.stored["shown"][:, 0].tolist()) == {seed}
            return torch.empty(0)

        return Labels(targets)


@dataclass(frozen=True)
class Hungry(ToySynth):
    """Run short of memory unless the batch is cut, or even then.

    Attributes:
        always: even then.
    """

    always: bool = False

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        """Yield the first batch and then raise."""
        for batch in super().synthesize(task):
            yield batch
            if self.always or task.compute.parts == 1:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 TiB.")
        task.compute.note(f"in {task.compute.parts} parts")
        task.compute.note(f"in {task.compute.parts} parts")
