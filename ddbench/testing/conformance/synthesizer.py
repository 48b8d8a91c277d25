"""Promises of distillation methods."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ddbench.errors import UserError
from ddbench.registry import parameters
from ddbench.testing.bench import IPC, Bench, joined
from ddbench.testing.conformance.conduct import (
    accept,
    call,
    require_honest_teacher_use,
    require_progress,
    same,
    untouched,
)
from ddbench.testing.conformance.declaration import check_component
from ddbench.testing.conformance.promises import promise, promised
from ddbench.types import Batch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ddbench.protocols import Synthesizer
    from ddbench.types import DatasetSpec, SynthesisTask


def check_synthesizer(component: Synthesizer, bench: Bench | None = None, *, real_images: bool = False) -> None:
    """Check a distillation method's images: number, shape, type, and on what they depend.

    Args:
        component: the method, with parameters that make it quick.
        bench: other data or another teacher than the toys.
        real_images: the method takes real images, and so must refuse an ipc above the smallest class.
    """
    check_component(component, "isolated", "uses_teacher")
    bench, whole, draws = (
        bench or Bench(),
        _says(component, "whole", default=False),
        _says(component, "draws", default=True),
    )
    with promise("says of itself what the plan must know", vital=True):
        promised(component, not (whole and component.isolated), "is both 'whole' and 'isolated', one index at a time")
        _check_prepare_identity(component)
    accept(component, bench, IPC)
    with untouched(component, bench):
        made = _synthesize(component, bench, 0)
        again, other = _synthesize(component, bench, 0), _synthesize(component, bench, 1)
    require_progress(component, bench)
    require_honest_teacher_use(component, bench)
    _check_generator_use(component, bench)
    with promise("makes the same images from the same seed"):
        promised(component, same(made, again), "gives other images when asked again with the same seed")
    if whole:
        _check_whole(component, bench, made)
    _check_seeds(component, made, other, draws=draws)
    if component.isolated:
        _check_isolation(component, bench, made)
    if real_images:
        with promise("refuses more real images than a class has"):
            promised(component, _refuses(component, bench), "accepts an ipc above the number of images a class has")


def _check_seeds(component: Synthesizer, made: Batch, other: Batch, *, draws: bool) -> None:
    """Check that the synthesis seed matters where the class draws, and only there."""
    if draws:
        with promise("makes other images from another seed"):
            promised(component, not same(made, other), "gives the same images whatever the synthesis seed")
        return
    with promise("draws nothing, as it says"):
        promised(component, same(made, other), "says draws = False and gives other images at another synthesis seed")


def _check_generator_use(component: Synthesizer, bench: Bench) -> None:
    """Check that ``uses_generator`` says whether the generator is asked for: the plan has one for those who say so."""
    with promise("asks for a generator if it says so, and only then"):
        if not _says(component, "uses_generator", default=False):
            promised(component, bench.generators == 0, "calls task.generator() and does not say uses_generator = True")
            return
        promised(component, bench.generators > 0, "says uses_generator = True and never calls task.generator()")
        promised(component, isinstance(getattr(component, "generator", None), str), "has no field 'generator', a text")


def _says(component: Synthesizer, name: str, *, default: bool) -> bool:
    said = getattr(type(component), name, default)
    promised(component, isinstance(said, bool), f"says '{name}' otherwise than by a ClassVar[bool]")
    return said


def _synthesize(component: Synthesizer, bench: Bench, seed: int) -> Batch:
    """Ask for ipc 2 as the stage runner would: of an isolated method index by index, else at once."""
    state = _prepare(component, bench, seed)
    if not component.isolated:
        indices = () if _says(component, "whole", default=False) else range(IPC)
        return _made(component, bench.synthesis_task(*indices, seed=seed, state=state, joint=True))
    tasks = [bench.synthesis_task(index, seed=seed, state=state) for index in range(IPC)]
    return joined(_made(component, task) for task in tasks)


def _made(component: Synthesizer, task: SynthesisTask) -> Batch:
    with promise("makes images", vital=True):
        batches: list[Batch] = call(lambda task: list(component.synthesize(task)), task)
        promised(component, bool(batches), "makes no images")
    for batch in batches:
        _check_batch(component, task.data, batch)
    made = joined(batches)
    with promise("makes as many images of each class as were asked"):
        counts = made.labels.bincount(minlength=task.data.num_classes).tolist()
        each = [len(task.indices)] * task.data.num_classes
        asked = list(task.data.class_counts) if _says(component, "whole", default=False) else each
        promised(component, counts == asked, f"makes {counts} images of the classes where {asked} were asked")
    return made


def _check_batch(component: Synthesizer, data: DatasetSpec, batch: Batch) -> None:
    images, labels = batch.images, batch.labels
    with promise("makes uint8 images, levels 0 to 255"):
        promised(component, images.dtype == torch.uint8, f"makes images of {images.dtype}, not of uint8")
        spread = not len(images) or bool(images.max() > 1)
        promised(component, spread, "makes images of 0 and 1 alone: multiply by 255 before uint8")
    with promise("labels images with int64 classes", vital=True):
        promised(component, labels.dtype == torch.int64, f"gives labels of {labels.dtype}, not of int64")
        promised(component, labels.ndim == 1, f"gives labels of shape {tuple(labels.shape)}, not one an image")
        inside = bool(((labels >= 0) & (labels < data.num_classes)).all())
        promised(component, inside, "gives labels outside 0 .. num_classes - 1")
    with promise("makes images of the data set's shape", vital=True):
        shape = (len(labels), data.channels, data.image_size, data.image_size)
        promised(component, images.shape == shape, f"makes images of shape {tuple(images.shape)}, not {shape}")


def _check_prepare_identity(component: Synthesizer) -> None:
    """Check that what decides the prepared state is among the component's fields."""
    if not hasattr(component, "prepare_identity"):
        return
    promised(component, hasattr(component, "prepare"), "has prepare_identity, and nothing to prepare")
    strange = sorted(set(component.prepare_identity()) - set(parameters(component)))
    promised(component, not strange, f"says that {', '.join(strange)} decides what it prepares, which is no field")


def _prepare(component: Synthesizer, bench: Bench, seed: int) -> Mapping[str, Tensor]:
    if not hasattr(component, "prepare"):
        return {}
    with tempfile.TemporaryDirectory() as folder, promise("prepares tensors by name", vital=True):
        state: dict[str, Tensor] = dict(call(component.prepare, bench.prepare_task(Path(folder), seed)))
        tensors = all(isinstance(value, torch.Tensor) for value in state.values())
        promised(component, tensors, "prepares something else than tensors by name")
    return state


def _check_isolation(component: Synthesizer, bench: Bench, made: Batch) -> None:
    """Ask for the second index alone: nothing may depend on whether the first was made before."""
    task = bench.synthesis_task(1, seed=0, state=_prepare(component, bench, 0))
    alone, count = _made(component, task), bench.data.num_classes
    first, second = Batch(made.images[:count], made.labels[:count]), Batch(made.images[count:], made.labels[count:])
    with promise("makes an image alike, whatever else is asked"):
        promised(component, same(alone, second), "makes other images of an index alone than after the others")
    with promise("makes another image for each index"):
        promised(component, not same(first, second), "makes the same images for every index")


def _check_whole(component: Synthesizer, bench: Bench, made: Batch) -> None:
    """Compare images and labels with the training set's, in whatever order they come."""
    real = Batch(bench.train.images(slice(None)), bench.train.labels)
    with promise("hands over the whole training set, as it says"):
        kept = _rows(made) == _rows(real)
        promised(component, kept, "says whole = True and hands over other images than those of the training set")


def _rows(batch: Batch) -> list[list[int]]:
    """Return labels and pixels, an image a row, in an order that depends on the rows alone."""
    return sorted(torch.cat((batch.labels[:, None], batch.images.flatten(1)), dim=1).tolist())


def _refuses(component: Any, bench: Bench) -> bool:
    if not hasattr(component, "check"):
        return False
    try:
        component.check(bench.check_task(min(bench.data.class_counts) + 1))
    except UserError:
        return True
    return False
