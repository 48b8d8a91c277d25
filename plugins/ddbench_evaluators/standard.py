"""The exam of the papers: one student, from scratch, on augmented views and their labels."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields, replace
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

from ddbench.errors import UserError
from ddbench.kit import device, losses, optim, reading, rng, schedule, train, views
from ddbench.kit.views import Augmentation
from ddbench.types import Effort, EpochViews, Passes
from ddbench_evaluators import corrupted, seen
from ddbench_evaluators.splits import Zoomed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from torch import Tensor, nn

    from ddbench.types import (
        CheckTask,
        Compute,
        DatasetSpec,
        Distilled,
        EffortTask,
        EvaluationTask,
        Examples,
        Measures,
        Views,
    )

Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
BatchSize = Annotated[int, Ge(2)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Momentum = Annotated[float, Ge(0), Lt(1)]
Scale = Annotated[float, Gt(0), Le(1)]
Strength = Annotated[float, Ge(0), Le(1)]

_Schedule = schedule.Name  # in the class below, "schedule" is a field


@dataclass(frozen=True)
class Standard:
    """Train one student on the views of the set and their labels, and test it after the last epoch.

    Source: the validation stage of Yin et al., "Squeeze, Recover and Relabel" (NeurIPS 2023), and Du et al.,
    "Diversity-Driven Synthesis" (NeurIPS 2024), from their code where the papers are silent. The same exam for every
    synthesizer and every architecture. Defaults are the CIFAR recipe.

    Papers differ in the settings alone: ``standard`` takes those of DWA; ``dwa``, ``sre2l`` and ``rded`` (Sun et al.,
    CVPR 2024) those of their authors, ``minimax`` (Gu et al., CVPR 2024) those of IDC (Kim et al., ICML 2022),
    ``continual`` those of ``standard`` in five tasks. Under equal settings they are one exam, taken once.

    With ``tasks`` above 1 the exam is class-incremental, in the manner of Prabhu et al., "GDumb" (ECCV 2020): classes
    come task by task, in an order drawn from the evaluation seed, and the student of ``step`` is trained from scratch
    on the images of the classes seen by then, with logits, labels and test images of no other class. A teacher that
    labels knows all classes; of its labels, the seen classes' share is taken. At the last step it is the plain exam.

    After the last epoch the calibration error is taken, and with ``corruptions`` the accuracy on corrupted test images,
    made as they are needed: Hendrycks and Dietterich (ICLR 2019), at the severities of their CIFAR-10-C, which are
    meant for images of about 32 pixels. The same corrupted images for every student, of noise from seed 0.

    Attributes:
        epochs: passes over the distilled images.
        batch_size: views per step; a last batch of one joins the one before it.
        optimizer: ``adamw`` with betas (0.9, 0.999), or ``sgd``.
        learning_rate: at its highest.
        momentum: of ``sgd``, without Nesterov's correction; ``adamw`` does not use it.
        weight_decay: decoupled in ``adamw``, added to the gradient in ``sgd``.
        decay: decay ``all`` parameters (CIFAR, Tiny-ImageNet), or ``matrices``, the weights of two dimensions and
            more (ImageNet-1K).
        schedule: of the learning rate, set once an epoch: ``cosine`` ends at 0, ``half-cosine`` (RDED) at one half;
            ``steps`` divides by ten after each third, ``late-steps`` (IDC) by five after two thirds and after five
            sixths; or ``constant``.
        warmup_epochs: epochs of linear warm-up from 1 % of the learning rate, counted among ``epochs``.
        shuffle_patches: columns of patches, and rows, that are put into a random order before any crop (RDED's
            factor, whose images are mosaics of as many); 1 for none. Must divide the image size.
        padding: black pixels on every side before a random crop; 0 for none.
        min_scale: smallest share of the area in a random resized crop; 1 for none.
        flip: mirror every second image.
        brightness: how far a random factor on the brightness of a view may be from 1; 0 for none. With the next two it
            is colour jitter, after crop and mirror, and as in IDC's code not clipped to what pixels can be.
        contrast: the same of the contrast, the distance from the view's mean grey.
        saturation: the same of the saturation, the distance from grey; nothing to grey images.
        lighting: after the jitter, standard deviation of the numbers by which the colour of a view moves along the
            principal components of ImageNet's colours (Krizhevsky et al., NIPS 2012), on any data set; 0 for none.
        mixup: alpha of mixup's Beta(alpha, alpha), one share a batch; 0 for none.
        cutmix: alpha of CutMix's Beta(alpha, alpha), one box a batch; 0 for none.
        partner: images are mixed with a random ``permutation`` of their batch, or with the batch moved on by one
            (``roll``).
        squared_temperature: multiply the loss by the squared temperature of the labels. On in the Tiny-ImageNet code,
            off in the others; ``adamw`` all but cancels it, ``sgd`` does not.
        test_every: epochs between two tests on the way; ``top1_best`` is the highest of them.
        zoom: height and width in pixels to which test images are scaled up before their centre is cut out at the old
            size (RDED: 72 of Tiny-ImageNet's 64); 0 for none.
        reports: which accuracy the authors print, that after the ``last`` epoch or the ``best`` on the test split, to
            compare like with like; changes nothing that is measured.
        tasks: in how many tasks the classes come; 1 for all at once.
        step: how many of them have come.
        corruptions: under which to test as well, with severities from 1 to 5 (3 where none is written):
            ``jpeg+gaussian-noise:5``, ``all`` or ``all:5``. There are gaussian-noise, shot-noise, impulse-noise,
            speckle-noise, gaussian-blur, brightness, contrast, pixelate and jpeg.
    """

    version: ClassVar[int] = 1
    validates: ClassVar[bool] = True

    epochs: Count = 400
    batch_size: BatchSize = 128
    optimizer: optim.Name = "adamw"
    learning_rate: Positive = 1e-3
    momentum: Momentum = 0.9
    weight_decay: NonNegative = 0.01
    decay: optim.Decay = "all"
    schedule: _Schedule = "cosine"
    warmup_epochs: Whole = 0
    shuffle_patches: Count = 1
    padding: Whole = 4
    min_scale: Scale = 1.0
    flip: bool = True
    brightness: Strength = 0.0
    contrast: Strength = 0.0
    saturation: Strength = 0.0
    lighting: NonNegative = 0.0
    mixup: NonNegative = 0.8
    cutmix: NonNegative = 0.0
    partner: Literal["permutation", "roll"] = "permutation"
    squared_temperature: bool = False
    test_every: Count = 10
    zoom: Whole = 0
    reports: Literal["last", "best"] = "last"
    tasks: Count = 1
    step: Count = 1
    corruptions: str = ""

    def __post_init__(self) -> None:
        self.augmentation()
        corrupted.read(self.corruptions)
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs={self.warmup_epochs} leaves none of epochs={self.epochs}")
        if self.step > self.tasks:
            raise ValueError(f"step={self.step} comes after the last of tasks={self.tasks}")

    def augmentation(self) -> Augmentation:
        """Return what happens to the images."""
        return Augmentation(**{field.name: getattr(self, field.name) for field in fields(Augmentation)})

    def identity(self) -> Mapping[str, object]:
        """Return what changes training or test: whatever an exam is called, equal settings are one exam."""
        idle = self._idle()
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in idle}
        tested = {"corruptions": corrupted.written(corrupted.read(self.corruptions))} if self.corruptions else {}
        return {"name": "standard"} | said | tested

    def check(self, task: CheckTask) -> None:
        """Refuse a data set that the settings do not fit.

        Raises:
            UserError: patches would differ in size, test images would not grow, or a task would have no class.
        """
        size, count = task.data.image_size, task.data.num_classes
        if size % self.shuffle_patches:
            raise UserError(f"shuffle_patches={self.shuffle_patches} does not divide images of {size} pixels")
        if 0 < self.zoom <= size:
            raise UserError(f"zoom={self.zoom} does not enlarge images of {size} pixels: take more, or 0 for none")
        if self.tasks > count:
            raise UserError(f"tasks={self.tasks} is more than the {count} classes of {task.data.name}")

    def effort(self, task: EffortTask) -> Effort:
        """Return what the student's training and its tests take, classes being taken to be of equal size."""
        share = self.step / self.tasks
        tests = -(-self.epochs // self.test_every) + len(corrupted.read(self.corruptions))
        return Effort(
            (
                Passes("student", round(self.epochs * task.images * share), "weights", self.batch_size),
                Passes("student", round(tests * task.data.sizes["test"] * share), "nothing", self.batch_size),
            )
        )

    def views(self, distilled: Distilled, compute: Compute) -> EpochViews:
        """Return the views that ``evaluate`` trains on under the same ``compute.seed``, the same at every call.

        Their indices are those of the whole distilled set, also where only some of its classes have been seen.
        """
        chosen = self._memory(distilled, compute)
        images = distilled.images if len(chosen) == len(distilled.images) else distilled.images[chosen]
        images, chosen = images.to(compute.device), chosen.to(compute.device)
        seed = rng.derive(compute.seed, "views")

        def of(epoch: int) -> Iterator[Views]:
            own = views.views(images, distilled.data, self.augmentation(), self.batch_size, seed, epoch)
            return seen.renumbered(own, chosen)

        return EpochViews(self.epochs, of)

    def evaluate(self, task: EvaluationTask) -> Measures:
        """Return the student's accuracy after its last epoch, the best on the way, the curve, and what else is told."""
        data, compute = task.distilled.data, task.compute
        task = seen.narrowed(task, self._seen(data, compute))
        model = device.place(task.build(), compute.device)
        test = reading.resident(task.test, data, compute.device)
        tests: deque[train.Score] = deque(maxlen=1)

        def score(split: Examples) -> train.Score:
            return train.score(model, self._zoomed(split), data, compute)

        def tested(_: nn.Module) -> train.Score:
            tests.append(score(test))
            return tests[-1]

        measures = train.fit(model, self._course(model, task), tested, compute, self._validation(task, score))
        under = corrupted.scores(self.corruptions, test, lambda split: score(split).top1)
        mean = fmean(under.values()) if under else None
        return replace(measures, calibration_error=tests[-1].calibration_error(), top1_corrupted=mean, corrupted=under)

    @staticmethod
    def _validation(
        task: EvaluationTask, score: Callable[[Examples], train.Score]
    ) -> Callable[[nn.Module], train.Score] | None:
        """Return how the student is scored on held-out images, None where there are none."""
        if task.validation is None:
            return None
        held_out = reading.resident(task.validation, task.distilled.data, task.compute.device)
        return lambda _: score(held_out)

    def _course(self, model: nn.Module, task: EvaluationTask) -> train.Course:
        labels, count = task.labels, len(self._memory(task.distilled, task.compute))

        def loss(logits: Tensor, batch: Views) -> Tensor:
            targets = labels.targets(batch)
            return losses.soft_label_kl(logits, targets, labels.temperature, squared=self.squared_temperature)

        return train.Course(
            epochs=self.epochs,
            batches=len(views.batches(count, self.batch_size, seed=0, epoch=0)),
            views=_again(self.views(task.distilled, task.compute).of, labels.epochs),
            loss=loss,
            optimizer=optim.optimizer(
                model, self.optimizer, self.learning_rate, self.momentum, self.weight_decay, self.decay
            ),
            schedule=schedule.named(self.schedule, self.epochs, self.warmup_epochs),
            test_every=self.test_every,
        )

    def _seen(self, data: DatasetSpec, compute: Compute) -> Tensor:
        return seen.classes_of(self.step, self.tasks, data.num_classes, compute.seed)

    def _memory(self, distilled: Distilled, compute: Compute) -> Tensor:
        """Return which images are of classes seen, int64 (M,)."""
        return seen.members(distilled.labels, self._seen(distilled.data, compute))

    def _zoomed(self, test: Examples) -> Examples:
        return Zoomed(test, self.zoom) if self.zoom else test

    def _idle(self) -> set[str]:
        """Return the names of fields that change nothing beside the others."""
        idle = {
            "momentum": self.optimizer != "sgd",
            "shuffle_patches": self.shuffle_patches == 1,
            **{name: not getattr(self, name) for name in ("brightness", "contrast", "saturation", "lighting")},
            "partner": not (self.mixup or self.cutmix),
            "zoom": not self.zoom,
            "reports": True,
            "tasks": self.step == self.tasks,
            "step": self.step == self.tasks,
            "corruptions": not self.corruptions,
        }
        return {name for name, holds in idle.items() if holds}


def _again(views: Callable[[int], Iterable[Views]], epochs: int | None) -> Callable[[int], Iterable[Views]]:
    """Return views of which the first epochs come again and again, if there are labels for no others."""
    return views if epochs is None else lambda epoch: views(epoch % epochs)
