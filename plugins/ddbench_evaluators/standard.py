"""The exam of the papers: one student, from scratch, on augmented views and their labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt

from ddbench.kit import device, losses, optim, reading, rng, schedule, train, views

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ddbench.types import EvaluationTask, Measures, Views

Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]
BatchSize = Annotated[int, Ge(2)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Momentum = Annotated[float, Ge(0), Lt(1)]
Scale = Annotated[float, Gt(0), Le(1)]

_Schedule = schedule.Name  # in the class below, "schedule" is a field


@dataclass(frozen=True)
class Standard:
    """Train one student on the views of the set and their labels, and test it after the last epoch.

    Source: the validation stage of Yin et al., "Squeeze, Recover and Relabel" (NeurIPS 2023), and Du et al.,
    "Diversity-Driven Synthesis" (NeurIPS 2024), from their code where the papers are silent. The same exam for every
    synthesizer and every architecture. Defaults are the CIFAR recipe.

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
            ``steps`` divides by ten after each third; or ``constant``.
        warmup_epochs: epochs of linear warm-up from 1 % of the learning rate, counted among ``epochs``.
        padding: black pixels on every side before a random crop; 0 for none.
        min_scale: smallest share of the area in a random resized crop; 1 for none.
        flip: mirror every second image.
        mixup: alpha of mixup's Beta(alpha, alpha), one share a batch; 0 for none.
        cutmix: alpha of CutMix's Beta(alpha, alpha), one box a batch; 0 for none.
        partner: images are mixed with a random ``permutation`` of their batch, or with the batch moved on by one
            (``roll``).
        squared_temperature: multiply the loss by the squared temperature of the labels. On in the Tiny-ImageNet code,
            off in the others; ``adamw`` all but cancels it, ``sgd`` does not.
        test_every: epochs between two tests on the way; ``top1_best`` is the highest of them.
    """

    version: ClassVar[int] = 1

    epochs: Count = 400
    batch_size: BatchSize = 128
    optimizer: optim.Name = "adamw"
    learning_rate: Positive = 1e-3
    momentum: Momentum = 0.9
    weight_decay: NonNegative = 0.01
    decay: optim.Decay = "all"
    schedule: _Schedule = "cosine"
    warmup_epochs: Whole = 0
    padding: Whole = 4
    min_scale: Scale = 1.0
    flip: bool = True
    mixup: NonNegative = 0.8
    cutmix: NonNegative = 0.0
    partner: Literal["permutation", "roll"] = "permutation"
    squared_temperature: bool = False
    test_every: Count = 10

    def __post_init__(self) -> None:
        self.augmentation()
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs={self.warmup_epochs} leaves none of epochs={self.epochs}")

    def augmentation(self) -> views.Augmentation:
        """Return what happens to the images."""
        return views.Augmentation(self.padding, self.min_scale, self.flip, self.mixup, self.cutmix, self.partner)

    def evaluate(self, task: EvaluationTask) -> Measures:
        """Return the student's accuracy after its last epoch, the best on the way, and the curve."""
        data, compute = task.distilled.data, task.compute
        model = device.place(task.build(), compute.device)
        examples = reading.resident(task.test, data, compute.device)
        test = partial(train.score, examples=examples, data=data, compute=compute)
        return train.fit(model, self._course(model, task), test, compute)

    def _course(self, model: nn.Module, task: EvaluationTask) -> train.Course:
        data, labels = task.distilled.data, task.labels
        images = task.distilled.images.to(task.compute.device)
        seed = rng.derive(task.compute.seed, "views")

        def loss(logits: Tensor, batch: Views) -> Tensor:
            targets = labels.targets(batch)
            return losses.soft_label_kl(logits, targets, labels.temperature, squared=self.squared_temperature)

        return train.Course(
            epochs=self.epochs,
            batches=len(views.batches(len(images), self.batch_size, seed, epoch=0)),
            views=partial(views.views, images, data, self.augmentation(), self.batch_size, seed),
            loss=loss,
            optimizer=optim.optimizer(
                model, self.optimizer, self.learning_rate, self.momentum, self.weight_decay, self.decay
            ),
            schedule=schedule.named(self.schedule, self.epochs, self.warmup_epochs),
            test_every=self.test_every,
        )
