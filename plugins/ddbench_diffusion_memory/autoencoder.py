"""Models that diffuse the latents of a variational autoencoder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

AT_ONCE = 8  # images; at 256 pixels each of a decoder's largest activations takes 64 MiB an image


@dataclass(frozen=True)
class Autoencoder:
    """Between images and latents by diffusers' AutoencoderKL (:class:`ddbench.kit.diffusion.Codec`).

    Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (CVPR 2022).

    Attributes:
        network: the autoencoder, in eval mode, gradients off.
    """

    network: Any

    @property
    def scale(self) -> float:
        """Return the factor that brings latents to a deviation of about 1."""
        return float(self.network.config.scaling_factor)

    def encode(self, images: Tensor) -> Tensor:
        """Return mean and deviation of the posterior, scaled, (B, 2c, s, s)."""
        parts = [self.network.encode(part).latent_dist for part in torch.split(images, AT_ONCE)]
        return torch.cat([torch.cat((part.mean, part.std), dim=1) for part in parts]).mul_(self.scale)

    def draw(self, posterior: Tensor, generator: torch.Generator) -> Tensor:
        """Return mean + deviation x eps."""
        mean, deviation = posterior.chunk(2, dim=1)
        return mean + deviation * torch.randn(mean.shape, generator=generator).to(mean.device)

    def decode(self, latents: Tensor) -> Tensor:
        """Return images."""
        return torch.cat([self.network.decode(part / self.scale).sample for part in torch.split(latents, AT_ONCE)])

    def digest(self) -> str:
        """Return a digest of what ``encode`` depends on."""
        config = {name: value for name, value in self.network.config.items() if not name.startswith("_")}
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()
