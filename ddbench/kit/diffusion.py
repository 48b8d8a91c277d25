"""A class-conditional diffusion model of latents, as a generator hands it to synthesizers, and its closed forms.

Notation of Ho et al., "Denoising Diffusion Probabilistic Models" (NeurIPS 2020): z_0 is a clean latent, eps noise,
abar_t the product of 1 - beta up to step t, and z_t = sqrt(abar_t) z_0 + sqrt(1 - abar_t) eps (their Eq. 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


class Codec(Protocol):
    """Between images and the latents in which a model diffuses; for a model of pixels they are the same.

    Images here are float32 (B, C, S, S) in [-1, 1], latents float32 (B, c, s, s), scaled as the network expects them.
    """

    def encode(self, images: Tensor) -> Tensor:
        """Return what determines the latents of images, (B, p, s, s): the same at every call, so that it can be kept.

        Of a variational autoencoder it is mean and deviation of the posterior, 2c channels.
        """
        ...

    def draw(self, posterior: Tensor, generator: torch.Generator) -> Tensor:
        """Draw latents from what ``encode`` returned; the generator is on the CPU."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Return images; values may leave [-1, 1] a little."""
        ...


@dataclass(frozen=True)
class Pixels:
    """The codec of a model that diffuses the pixels themselves: latents are images."""

    def encode(self, images: Tensor) -> Tensor:
        """Return the images."""
        return images

    def draw(self, posterior: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG002 - there is no lot to draw
        """Return the images."""
        return posterior

    def decode(self, latents: Tensor) -> Tensor:
        """Return the latents."""
        return latents


@dataclass(frozen=True)
class Diffusion:
    """A diffusion model, ready to be sampled or tuned.

    Attributes:
        network: called as diffusers' transformers are, ``network(z_t, timestep=t, class_labels=c)``; it estimates eps
            in its first channels, and may give more (a learned variance). It never drops a class by itself.
        codec: between images and latents.
        alphas_cumprod: abar_t, float32 (T,), from almost 1 to almost 0.
        conditions: what the network is told for each class of the data, int64 (num_classes,).
        null: what it is told for no class, for classifier-free guidance.
        latent_shape: c, s, s.
    """

    network: nn.Module
    codec: Codec
    alphas_cumprod: Tensor
    conditions: Tensor
    null: int
    latent_shape: tuple[int, int, int]

    def predict(self, noised: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
        """Return all that the network estimates, (B, c or 2c, s, s), of z_t (B, c, s, s), t and conditions (B,)."""
        predicted: Tensor = self.network(
            noised, timestep=timesteps, class_labels=conditions, return_dict=False
        )[0]  # fmt: skip
        return predicted

    def noise(self, noised: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
        """Return the estimate of eps, (B, c, s, s)."""
        return self.predict(noised, timesteps, conditions)[:, : self.latent_shape[0]]

    def noised(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return z_t = sqrt(abar_t) z_0 + sqrt(1 - abar_t) eps, each item at its own step."""
        abar = self._abar(timesteps)
        return abar.sqrt() * latents + (1 - abar).sqrt() * noise

    def estimate(self, noised: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return the clean latent that noise implies, (z_t - sqrt(1 - abar_t) eps) / sqrt(abar_t)."""
        abar = self._abar(timesteps)
        return (noised - (1 - abar).sqrt() * noise) / abar.sqrt()

    def _abar(self, timesteps: Tensor) -> Tensor:
        return self.alphas_cumprod.to(timesteps.device)[timesteps].view(-1, 1, 1, 1)


def linear_alphas(steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> Tensor:
    """Return abar_t, float32 (steps,), of a variance beta that grows linearly from ``first`` to ``last``."""
    return (1 - torch.linspace(first, last, steps, dtype=torch.float64)).cumprod(0).float()
