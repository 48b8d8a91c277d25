"""Diffusion models trained on the real data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Le, Lt, MultipleOf

from ddbench.errors import UserError
from ddbench.kit import device, optim, rng
from ddbench.kit.diffusion import Diffusion, Pixels, linear_alphas
from ddbench_diffusion_memory import conditions, extras, latents, pipeline, resumable, transformer
from ddbench_diffusion_memory.pretraining import Training

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from ddbench.types import CheckTask, DatasetSpec, LoadTask, PretrainTask

Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]


@dataclass(frozen=True)
class Scratch:
    """Train a small diffusion transformer on the pixels of the real data.

    Source: Peebles and Xie, "Scalable Diffusion Models with Transformers" (ICCV 2023), with the schedule and loss of
    Ho et al., "Denoising Diffusion Probabilistic Models" (NeurIPS 2020): 1000 steps, beta from 1e-4 to 0.02, mean
    squared error of eps. The moving average of the weights is the generator. Sizes and rates are this project's, tried
    on digits: many small steps at a high rate, since a few hundred steps give noise and a thousand give digits.

    Attributes:
        width: numbers per token.
        heads: of attention; they share the width.
        layers: transformer blocks.
        patch_size: side of a token in pixels; the image is a whole number of them.
        steps: of training.
        batch_size: images per step, drawn with replacement.
        learning_rate: AdamW's at its highest; it falls to 0 along half a cosine.
        warmup_steps: steps of linear warm-up from 1 % of the learning rate, counted among ``steps``.
        weight_decay: on all parameters.
        label_dropout: share of images whose class the network is not told, for classifier-free guidance (Ho and
            Salimans, 2022).
        gradient_clip: greatest norm of a step's gradient.
        ema_decay: of the moving average of the weights, at most: it forgets faster in the first steps.
        flip: mirror every second image.
        seed: of the weights and of every draw; the harness derives ``compute.seed`` from it.
    """

    version: ClassVar[int] = 1

    width: Annotated[int, Gt(0), MultipleOf(4)] = 64
    heads: Count = 4
    layers: Count = 4
    patch_size: Count = 2
    steps: Count = 3000
    batch_size: Count = 64
    learning_rate: Annotated[float, Gt(0)] = 2e-3
    warmup_steps: Whole = 50
    weight_decay: Annotated[float, Ge(0)] = 0.0
    label_dropout: Annotated[float, Ge(0), Le(1)] = 0.1
    gradient_clip: Annotated[float, Gt(0)] = 1.0
    ema_decay: Annotated[float, Ge(0), Lt(1)] = 0.995
    flip: bool = True
    seed: Whole = 0

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width={self.width} is not shared evenly by heads={self.heads}")
        if self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps={self.warmup_steps} leaves none of steps={self.steps}")

    def check(self, task: CheckTask) -> None:
        """Refuse images that are no whole number of patches, too many classes, and a missing diffusers."""
        extras.require("diffusers", "diffusion", "generator 'scratch'")
        data = task.data
        if data.image_size % self.patch_size:
            raise UserError(
                f"images of {data.image_size} pixels cannot be cut into patches of {self.patch_size}: set patch_size "
                f"of generator 'scratch' to a divisor of {data.image_size}"
            )
        conditions.of_classes(data, transformer.CLASSES, "generator 'scratch'")

    def pretrain(self, task: PretrainTask) -> Mapping[str, Tensor]:
        """Return the average of the weights after the last step.

        Raises:
            UserError: the GPU's memory is too small. What was done up to the last checkpoint is kept.
        """
        try:
            return self._trained(task)
        except torch.cuda.OutOfMemoryError as error:
            raise UserError(
                f"the GPU's memory is too small for batch_size = {self.batch_size} of generator 'scratch': set a "
                "smaller batch_size (what was done up to the last checkpoint is kept)"
            ) from error

    def _trained(self, task: PretrainTask) -> Mapping[str, Tensor]:
        compute = task.compute
        with rng.seeded(compute.seed, "weights"):
            network = self._network(task.data).to(compute.device)
        model = self._diffusion(network, task.data)
        optimizer = optim.optimizer(network, "adamw", self.learning_rate, 0.0, self.weight_decay)
        training = Training(
            model,
            optimizer,
            resumable.Average.of(dict(network.named_parameters()), self.ema_decay),
            latents.of(model.codec, task, mirrored=self.flip),
            model.conditions[task.train.labels],
            self,
            compute,
        )
        resumable.run(training.parts(), self.steps, training.step, compute, task.workspace)
        return training.average.kept

    def load(self, task: LoadTask) -> Diffusion:
        """Return the model with the weights that training gave."""
        with rng.seeded(0, "weights"):  # they are replaced; the stage's own random numbers must not notice
            network = self._network(task.data)
        network.load_state_dict(dict(task.weights))
        return self._diffusion(device.freeze(network.to(task.device)), task.data)

    def save(self, model: Diffusion, folder: Path, data: DatasetSpec) -> None:
        """Write a model in the form that diffusers and the generator ``folder`` read."""
        pipeline.save(model, folder, data.class_names)

    def _network(self, data: DatasetSpec) -> nn.Module:
        return transformer.build(
            size=data.image_size,
            channels=data.channels,
            width=self.width,
            heads=self.heads,
            layers=self.layers,
            patch_size=self.patch_size,
        )

    def _diffusion(self, network: nn.Module, data: DatasetSpec) -> Diffusion:
        return Diffusion(
            network,
            Pixels(),
            linear_alphas(),
            conditions.of_classes(data, transformer.CLASSES, "generator 'scratch'"),
            transformer.CLASSES,
            (data.channels, data.image_size, data.image_size),
        )
