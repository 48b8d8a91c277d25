"""The recover engine that SRe2L, DWA and random perturbation share: a frozen teacher, and Adam on the pixels.

One iteration: jitter the batch, cross-entropy plus batch-norm distances, an Adam step, clamp to black and white.
The last iterate is kept; the scripts' option to keep the best one never took effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import torch

from ddbench.kit import device, normstats, pixels, rng
from ddbench.kit.jitter import Jitter
from ddbench.kit.jpeg import through_jpeg
from ddbench.kit.objective import Objective
from ddbench.types import Effort, Passes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from ddbench.types import Compute, DatasetSpec, EffortTask, SynthesisTask

_BETAS = (0.5, 0.9)  # of Adam; SRe2L's scripts and DWA's alike
_REPORT_EVERY = 50  # iterations on an accelerator, where reading the loss means waiting for it


@dataclass(frozen=True)
class Inversion:
    """Settings of the engine; synthesizers have fields of the same names.

    Attributes:
        iterations: Adam steps per batch.
        learning_rate: at the first step; it falls along half a cosine and would reach 0 after the last.
        lambda_mean: weight of the distance between batch means and running means.
        lambda_var: weight of the distance between batch variances and running variances.
        first_weight: factor on both for the first batch-norm layer.
        batch_size: greatest number of classes, each with one image, that are optimised together.
        jitter: greatest circular shift, in pixels.
        two_sided_jitter: shifts in -jitter .. jitter instead of 0 .. jitter.
        crop: random crops, resized back.
        flip: random mirror images.
        jpeg_quality: pass the result once through JPEG, as the scripts store it; None keeps every bit.
    """

    iterations: int
    learning_rate: float
    lambda_mean: float
    lambda_var: float
    first_weight: float = normstats.FIRST_WEIGHT
    batch_size: int = 100
    jitter: int = 0
    two_sided_jitter: bool = False
    crop: bool = False
    flip: bool = False
    jpeg_quality: int | None = None

    @classmethod
    def of(cls, synthesizer: object, **given: Any) -> Self:
        """Read the settings from a synthesizer's fields of the same names, except for those that are given."""
        names = {field.name for field in fields(cls)} - given.keys()
        return cls(**given, **{name: getattr(synthesizer, name) for name in names})

    def view(self, images: Tensor, seed: int, iteration: int) -> Tensor:
        """Return normalised images (B, C, H, W) jittered as ``invert`` sees them at an iteration, from 0."""
        return Jitter(self.jitter, self.two_sided_jitter, self.crop, self.flip)(images, seed, iteration)


@dataclass(frozen=True)
class Part:
    """One batch of a synthesis: one image per class, for consecutive classes of one ipc index.

    Attributes:
        index: the ipc index.
        classes: int64 labels (B,), on the CPU.
        compute: the stage's, with a seed that belongs to this part alone and progress over all parts.
    """

    index: int
    classes: Tensor
    compute: Compute

    @property
    def opens_index(self) -> bool:
        """Tell whether this is the first part of its index."""
        return int(self.classes[0]) == 0


def parts(task: SynthesisTask, batch_size: int) -> Iterator[Part]:
    """Cut a synthesis into batches: for every index, the classes in consecutive chunks."""
    chunks = torch.split(torch.arange(task.data.num_classes), batch_size)
    count = len(task.indices) * len(chunks)
    for number, (index, classes) in enumerate(product(task.indices, chunks)):
        yield Part(index, classes, _part_of(task.compute, number, count, index, int(classes[0])))


def invert(
    model: nn.Module,
    images: Tensor,
    part: Part,
    data: DatasetSpec,
    settings: Inversion,
    norm_model: nn.Module | None = None,
) -> Tensor:
    """Optimise images until a network sees their classes and its own statistics in them.

    Args:
        model: gives the cross-entropy; is frozen, in eval mode, and moved to the stage's device.
        images: start, normalised floats (B, C, H, W), one per class of the part.
        part: labels, device, precision, seed and progress.
        data: tells black and white.
        settings: see there.
        norm_model: gives the batch-norm distances from a forward pass of its own (DWA, Eq. 15); ``model``, in the
            same pass, where there is none.

    Returns:
        Images, uint8 (B, C, H, W), on the CPU.

    Raises:
        FloatingPointError: the loss or the images are no longer finite.
        UserError: the network has no batch-norm layers.
    """
    compute = part.compute
    model = device.place(device.freeze(model), compute.device)
    norm_model = model if norm_model is None else device.place(device.freeze(norm_model), compute.device)
    images = device.place_images(images.detach(), compute.device).clone().requires_grad_()
    labels = part.classes.to(compute.device)
    low, high = pixels.bounds(data, compute.device)
    optimizer = _adam(images, settings)
    weights = settings.lambda_mean, settings.lambda_var, settings.first_weight
    with Objective(model, norm_model, labels, *weights, compute).descending(settings.iterations) as slope:
        for iteration in range(settings.iterations):
            optimizer.param_groups[0]["lr"] = learning_rate(settings, iteration)
            optimizer.zero_grad()
            loss = slope(settings.view(images, compute.seed, iteration))
            optimizer.step()
            with torch.no_grad():
                images.clamp_(low, high)
            _report(loss, iteration + 1, settings.iterations, compute)
    return _finished(images, data, settings.jpeg_quality)


def effort(synthesizer: Any, task: EffortTask, *, climbs: int = 0) -> Effort:
    """Return what a synthesizer's loop takes, from its fields ``iterations`` and ``batch_size``.

    Args:
        synthesizer: with its parameters.
        task: of the stage.
        climbs: steps on the weights before the loop.
    """
    at_once = min(synthesizer.batch_size, task.data.num_classes)
    networks = 2 if getattr(synthesizer, "statistics_on", "perturbed") == "original" else 1
    loop = Passes("teacher", networks * synthesizer.iterations * task.images, "images", at_once)
    return Effort((loop, Passes("teacher", climbs * task.images, "weights", at_once)) if climbs else (loop,))


def learning_rate(settings: Inversion, iteration: int) -> float:
    """Return Adam's learning rate at an iteration, from 0: half a cosine from its start towards 0."""
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * iteration / settings.iterations))


def _adam(images: Tensor, settings: Inversion) -> torch.optim.Adam:
    """Return Adam on images; on a GPU its whole step is one kernel."""
    on_cuda = images.device.type == "cuda"  # elsewhere the fused step would round otherwise
    return torch.optim.Adam([images], lr=settings.learning_rate, betas=_BETAS, eps=1e-8, fused=on_cuda or None)


def _finished(images: Tensor, data: DatasetSpec, jpeg_quality: int | None) -> Tensor:
    if not images.isfinite().all():
        raise FloatingPointError("the images are no longer finite: try a smaller learning_rate")
    result = pixels.to_uint8(images, data).cpu().contiguous()
    return result if jpeg_quality is None else through_jpeg(result, jpeg_quality)


def _report(loss: Tensor, done: int, iterations: int, compute: Compute) -> None:
    if loss.device.type != "cpu" and done % _REPORT_EVERY and done < iterations:
        return
    value = float(loss.detach())
    if not math.isfinite(value):
        raise FloatingPointError(
            f"the loss is {value} at iteration {done} of {iterations}: try a smaller learning_rate"
        )
    compute.progress(done, iterations, loss=value)


def _part_of(compute: Compute, number: int, count: int, *names: int) -> Compute:
    def progress(done: int, total: int, **numbers: float) -> None:
        compute.progress(number * total + done, count * total, **numbers)

    return replace(compute, seed=rng.derive(compute.seed, *names), progress=progress)
