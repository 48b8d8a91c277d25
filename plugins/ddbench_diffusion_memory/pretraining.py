"""The steps in which a diffusion model is trained from random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from ddbench.kit import device, rng, schedule
from ddbench_diffusion_memory import conditions, resumable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ddbench.kit.diffusion import Diffusion
    from ddbench.types import Compute
    from ddbench_diffusion_memory.latents import Latents
    from ddbench_diffusion_memory.resumable import Average, Resumable
    from ddbench_diffusion_memory.scratch import Scratch


@dataclass(frozen=True)
class Training:
    """What a training works with. What a step draws is a function of the seed and of its number alone.

    Attributes:
        model: whose network is trained.
        optimizer: of its parameters.
        average: of its parameters.
        latents: of the training images.
        told: what the network is told for each of them, int64 (N,) on the CPU.
        settings: rates and sizes.
        compute: device, precision and seed.
    """

    model: Diffusion
    optimizer: torch.optim.Optimizer
    average: Average
    latents: Latents
    told: Tensor
    settings: Scratch
    compute: Compute

    def parts(self) -> dict[str, Resumable]:
        """Return all that a step changes."""
        weights, optimizer = resumable.Weights(self.average.live), resumable.OptimizerState(self.optimizer)
        return {"weights": weights, "optimizer": optimizer, "average": self.average}

    def step(self, i: int) -> Mapping[str, Tensor]:
        """Take step ``i``, from 0."""
        settings = self.settings
        rate = settings.learning_rate * schedule.named("cosine", settings.steps, settings.warmup_steps)(i)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self._loss(rng.generator(self.compute.seed, "step", i))
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self.average.live.values(), settings.gradient_clip)
        self.optimizer.step()
        self.average.update(i)
        return {"loss": loss.detach()}

    def _loss(self, draw: torch.Generator) -> Tensor:
        """Return the mean squared error of eps on a batch drawn by lot (Ho et al., NeurIPS 2020, Eq. 14)."""
        settings, model, size = self.settings, self.model, self.settings.batch_size
        indices = torch.randint(len(self.told), (size,), generator=draw)
        mirrored = torch.rand(size, generator=draw) < (0.5 if settings.flip else 0.0)
        clean = self.latents.batch(indices, mirrored, draw)
        told = conditions.dropped(self.told[indices], model.null, settings.label_dropout, draw)
        times = torch.randint(len(model.alphas_cumprod), (size,), generator=draw)
        noise = torch.randn(clean.shape, generator=draw)
        told, times, noise = (drawn.to(clean.device, non_blocking=True) for drawn in (told, times, noise))
        noised = model.noised(clean, noise, times)
        with device.autocast(self.compute):
            estimated = model.noise(noised, times, told)
        return F.mse_loss(estimated.float(), noise)
