from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from diffusers.configuration_utils import FrozenDict
from torch import nn
from torch.nn import functional

from ddbench.kit import rng
from ddbench_diffusion_memory.autoencoder import AT_ONCE, Autoencoder

if TYPE_CHECKING:
    from torch import Tensor

SCALE = 0.5


class Halving(nn.Module):
    """Has the autoencoder's verbs: means of four pixels, a deviation of 3, and each latent as four pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.config = FrozenDict(scaling_factor=SCALE, norm_num_groups=2, _name_or_path="here")
        self.brightness = nn.Parameter(torch.zeros(1), requires_grad=False)
        self.sizes: list[int] = []

    def encode(self, images: Tensor) -> SimpleNamespace:
        self.sizes.append(len(images))
        mean = functional.avg_pool2d(images, 2) + self.brightness
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=mean, std=torch.full_like(mean, 3.0)))

    def decode(self, latents: Tensor) -> SimpleNamespace:
        self.sizes.append(len(latents))
        return SimpleNamespace(sample=functional.interpolate(latents, scale_factor=2.0))


@pytest.fixture
def codec() -> Autoencoder:
    return Autoencoder(Halving())


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 1, 4, 4, generator=rng.generator(0, "images"))


def test_a_posterior_is_scaled_mean_and_deviation(codec: Autoencoder) -> None:
    mean, deviation = codec.encode(images()).chunk(2, dim=1)
    corner = images()[1, 0, 2:, :2].double().mean() * SCALE
    assert mean.shape == (2, 1, 2, 2)
    assert mean[1, 0, 1, 0].item() == pytest.approx(corner.item(), rel=1e-5)
    assert torch.equal(deviation, torch.full_like(mean, 3 * SCALE))


def test_a_draw_is_the_mean_and_so_many_deviations(codec: Autoencoder) -> None:
    posterior = torch.cat((torch.full((1, 1, 100, 100), 7.0), torch.full((1, 1, 100, 100), 2.0)), dim=1)
    drawn = codec.draw(posterior, rng.generator(3))
    assert drawn.shape == (1, 1, 100, 100)
    assert drawn.mean().item() == pytest.approx(7, abs=0.06)
    assert drawn.std().item() == pytest.approx(2, abs=0.04)
    assert torch.equal(drawn, codec.draw(posterior, rng.generator(3)))


def test_without_deviation_decoding_undoes_encoding(codec: Autoencoder) -> None:
    flat = functional.interpolate(images()[:, :, :2, :2], scale_factor=2.0)
    posterior = codec.encode(flat) * torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(codec.decode(codec.draw(posterior, rng.generator(0))), flat)


def test_many_images_go_through_in_slices(codec: Autoencoder) -> None:
    many = images(2 * AT_ONCE + 3)
    posterior = codec.encode(many)
    codec.decode(posterior[:, :1])
    assert codec.network.sizes == [AT_ONCE, AT_ONCE, 3] * 2
    torch.testing.assert_close(posterior[-1:], codec.encode(many[-1:]))


def configured(**changes: Any) -> Autoencoder:
    network = Halving()
    network.config = FrozenDict(network.config | changes)
    return Autoencoder(network)


def test_the_digest_tells_other_weights_and_settings(codec: Autoencoder) -> None:
    brighter = copy.deepcopy(codec)
    brighter.network.brightness += 1
    others = (codec, brighter, configured(scaling_factor=1.0), configured(norm_num_groups=4))
    assert len({other.digest() for other in others}) == 4
    assert codec.digest() == configured(_name_or_path="elsewhere").digest()
