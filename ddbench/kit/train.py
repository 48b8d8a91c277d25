"""One training loop for teachers and students, and the score that tables print."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from ddbench.kit import accumulation, device, graphs, pixels
from ddbench.types import Measures, Point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor, nn

    from ddbench.kit.schedule import Schedule
    from ddbench.types import Compute, DatasetSpec, Examples, Views

    Loss = Callable[[Tensor, Views], Tensor]

SCORED_AT_ONCE = 256
BINS = 15  # of confidences, equally wide

_IN_PARTS = "each batch was sent through the network in {} parts, gradients accumulated"
_IN_HOST_MEMORY = (
    "what the network keeps for the way back lay in the host's memory: its batch statistics, or numbers that it draws, "
    "forbid to cut a batch"
)


@dataclass(frozen=True)
class Score:
    """A network on a split: accuracies in percent, mean cross-entropy in nats.

    ``confidences`` and ``hits``, float32 (N,) on the CPU, are the probability that the network gives the class it
    takes each image for, and whether it is right.
    """

    top1: float
    top5: float
    loss: float
    confidences: Tensor = field(default_factory=lambda: torch.empty(0), compare=False, repr=False)
    hits: Tensor = field(default_factory=lambda: torch.empty(0), compare=False, repr=False)

    def calibration_error(self) -> float:
        """Return the expected calibration error, in [0, 1]: how far confidences are from accuracies.

        Mean distance of accuracy and mean confidence over 15 bins of confidence, weighted by their images: Naeini et
        al., "Obtaining Well Calibrated Probabilities" (AAAI 2015), with the bins of Guo et al. (ICML 2017).
        """
        from torchmetrics.functional.classification import binary_calibration_error  # seconds to import

        # of the class taken alone, right or wrong: what MulticlassCalibrationError reduces all classes to
        return float(binary_calibration_error(self.confidences, self.hits.int(), n_bins=BINS, norm="l1"))


@dataclass(frozen=True)
class Course:
    """A training, but for the network.

    Attributes:
        epochs: passes over the images, at least 1.
        batches: batches per epoch, so that progress can be told.
        views: gives the batches of an epoch, from 0.
        loss: from logits and the views they belong to.
        optimizer: of the network's parameters, at the full learning rate.
        schedule: factor on the learning rate in an epoch.
        test_every: epochs between two tests; the last epoch is always tested.
    """

    epochs: int
    batches: int
    views: Callable[[int], Iterable[Views]]
    loss: Loss
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    test_every: int


def score(model: nn.Module, examples: Examples, data: DatasetSpec, compute: Compute) -> Score:
    """Test a network, in eval mode, on a whole split; its mode is put back afterwards.

    Top-5 counts the true class among the five highest logits, or among all where there are fewer classes.
    Images are read and moved a batch at a time, unless they are ``ddbench.kit.reading.resident``. A second attempt
    reads the same batches, on which it depends what a split draws, and sends them through the network in parts.
    """
    labels, training = examples.labels.to(compute.device), model.training
    summing = compute.device if compute.device.type == "cuda" else torch.device("cpu")  # MPS has no float64
    totals, confidences, hits = torch.zeros(3, dtype=torch.float64, device=summing), [], []
    model.eval()
    # not inference mode: networks that cache tables of positions in a forward pass could not train on with them
    with torch.no_grad(), device.autocast(compute):
        for start in range(0, len(labels), SCORED_AT_ONCE):
            part = slice(start, start + SCORED_AT_ONCE)
            read = torch.split(examples.images(part), -(-SCORED_AT_ONCE // compute.parts))
            images = (pixels.normalise(device.place_images(some, compute.device), data) for some in read)
            logits = torch.cat([model(some).float() for some in images])
            totals += _sums(logits, labels[part]).to(summing).double()
            confidence, taken = logits.softmax(1).max(1)
            confidences.append(confidence)
            hits.append((taken == labels[part]).float())
    model.train(training)
    top1, top5, loss = (totals / len(labels)).tolist()
    return Score(100 * top1, 100 * top5, loss, torch.cat(confidences).cpu(), torch.cat(hits).cpu())


def _sums(logits: Tensor, labels: Tensor) -> Tensor:
    ranked = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
    loss = F.cross_entropy(logits, labels, reduction="sum")
    return torch.stack((ranked[:, 0].sum(), ranked.sum(), loss))


def fit(
    model: nn.Module,
    course: Course,
    test: Callable[[nn.Module], Score],
    compute: Compute,
    validate: Callable[[nn.Module], Score] | None = None,
) -> Measures:
    """Train a network in place, and test it on the way; ``validate`` scores it on held-out images at the same time.

    Returns:
        The score after the last epoch, the highest top-1 seen, and the curve; with ``validate`` also its curve, and the
        top-1 of the test after the epoch in which it was highest, the first of several.

    Raises:
        FloatingPointError: the mean loss of an epoch is not finite. It is looked at once an epoch, so that a
            device never waits for it within.
    """
    rates = [group["lr"] for group in course.optimizer.param_groups]
    slope = Slope(model, course, compute)
    curve: list[Point] = []
    validation: list[Point] = []
    seen: dict[str, float] = {}
    for epoch in range(course.epochs):
        for group, rate in zip(course.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * course.schedule(epoch)
        seen["loss"] = _train_epoch(slope, epoch, seen)
        due = (epoch + 1) % course.test_every == 0 or epoch + 1 == course.epochs
        tested = test(model) if due else None
        if tested is not None:
            seen["top1"] = tested.top1
        if tested is not None and validate is not None:
            validated = validate(model)
            validation.append(Point(epoch + 1, validated.loss, validated.top1))
        curve.append(Point(epoch + 1, seen["loss"], tested.top1 if tested is not None else None))
        compute.progress((epoch + 1) * course.batches, course.epochs * course.batches, **seen)
    assert tested is not None, "a course has an epoch, and its last one is tested"
    best = max(point.top1 for point in curve if point.top1 is not None)
    measures = Measures(tested.top1, tested.top5, best, tested.loss, tuple(curve))
    if not validation:
        return measures
    return replace(measures, top1_val=_selected(curve, validation), validation=tuple(validation))


def _selected(curve: Iterable[Point], validation: Iterable[Point]) -> float | None:
    """Return the tested top-1 of the epoch with the highest validated one, the first of several."""
    tested = {point.epoch: point.top1 for point in curve}
    return tested[max(validation, key=lambda point: point.top1 or 0.0).epoch]


class Slope:
    """The slope of a course's loss at a network's weights, of one batch of views after the other.

    On CUDA the network is replayed as graphs. At a second attempt a batch goes through it in parts where that changes
    no number; else what autograd keeps lies in the host's memory.
    """

    def __init__(self, model: nn.Module, course: Course, compute: Compute) -> None:
        self.model, self.course, self.compute = model, course, compute
        self._plain = _forward(model, compute)
        self._logits = graphs.replayed(self._plain, model, compute, course.epochs * course.batches)
        self._separable: bool | None = None

    def __call__(self, views: Views) -> Tensor:
        """Add the slope to the ``grad`` of the weights; returns the loss, without gradient."""
        if self.compute.parts == 1:
            return self._at_once(views)
        if self._separable is None:
            self._separable = accumulation.is_separable(self.model, views.images)
            self.compute.note(_IN_PARTS.format(self.compute.parts) if self._separable else _IN_HOST_MEMORY)
        if self._separable:
            return self._in_parts(views)
        with accumulation.kept_in_host_memory(self.compute.device):
            return self._at_once(views)

    def _loss(self, logits: Tensor, views: Views) -> Tensor:
        with device.autocast(self.compute):
            return self.course.loss(logits, views)

    def _at_once(self, views: Views) -> Tensor:
        loss = self._loss(self._logits(views.images), views)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss.detach()

    def _in_parts(self, views: Views) -> Tensor:
        return accumulation.backward(
            views.images.tensor_split(self.compute.parts),
            lambda part: (self._plain(part),),
            lambda outputs: self._loss(torch.cat([logits for (logits,) in outputs]), views),
        )


def _forward(model: nn.Module, compute: Compute) -> Callable[[Tensor], Tensor]:
    """Return the forward pass of a network; no method of a slope, which would hold itself, and a GPU's memory."""

    def logits(images: Tensor) -> Tensor:
        with device.autocast(compute):
            return model(images)  # type: ignore[no-any-return]  # a module gives anything

    return logits


def _train_epoch(slope: Slope, epoch: int, seen: Mapping[str, float]) -> float:
    """Train for one epoch and return its mean loss."""
    course, compute = slope.course, slope.compute
    total, count = torch.zeros((), device=compute.device), 0
    slope.model.train()
    for step, views in enumerate(course.views(epoch)):
        compute.progress(epoch * course.batches + step, course.epochs * course.batches, **seen)
        course.optimizer.zero_grad()
        loss = slope(views)
        course.optimizer.step()
        total += loss * len(views.indices)
        count += len(views.indices)
    mean = total.item() / count
    if not math.isfinite(mean):
        raise FloatingPointError(f"loss became {mean} at epoch {epoch + 1}")
    return mean
