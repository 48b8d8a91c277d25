from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from ddbench.kit.diffusion import Diffusion, Pixels, linear_alphas

if TYPE_CHECKING:
    from torch import Tensor


class Spy(nn.Module):
    """Estimates a noise of 2 in its first channels and gives a variance of 7 after them."""

    asked: dict[str, Tensor]

    def forward(self, noised: Tensor, *, timestep: Tensor, class_labels: Tensor, return_dict: bool) -> tuple[Tensor]:
        assert not return_dict
        self.asked = {"timestep": timestep, "class_labels": class_labels}
        return (torch.cat((torch.full_like(noised, 2), torch.full_like(noised, 7)), dim=1),)


def model(network: nn.Module | None = None) -> Diffusion:
    return Diffusion(network or nn.Identity(), Pixels(), linear_alphas(), torch.arange(3), 3, (2, 4, 4))


def abar(t: int) -> float:
    """Return the product of 1 - beta up to step t, beta from 1e-4 to 0.02 in 999 equal steps, term by term."""
    return math.prod(1 - (1e-4 + i * (0.02 - 1e-4) / 999) for i in range(t + 1))


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("t", [0, 1, 250, 500, 998, 999])
def test_the_noise_schedule_is_the_product_of_its_terms(t: int) -> None:
    assert linear_alphas()[t].item() == pytest.approx(abar(t), rel=1e-6)


def test_the_noise_schedule_ends_where_the_literature_says() -> None:
    alphas = linear_alphas()
    assert alphas.shape == (1000,)
    assert alphas.dtype == torch.float32
    assert alphas[0].item() == pytest.approx(0.9999)
    assert alphas[-1].item() == pytest.approx(4.036e-5, rel=1e-3)


def test_each_item_is_noised_at_its_own_step() -> None:
    clean, noise, times = random(3, 2, 4, 4), random(3, 2, 4, 4).flip(0), torch.tensor([0, 500, 999])
    noised = model().noised(clean, noise, times)
    for item, t in enumerate(times.tolist()):
        expected = math.sqrt(abar(t)) * clean[item].double() + math.sqrt(1 - abar(t)) * noise[item].double()
        torch.testing.assert_close(noised[item].double(), expected, rtol=1e-5, atol=1e-6)


def test_noised_latents_keep_their_variance() -> None:
    clean, noise = random(1, 1, 400, 400), random(1, 400, 400).unsqueeze(0)
    noised = model().noised(clean, noise, torch.tensor([400]))
    assert noised.var().item() == pytest.approx(1, abs=0.01)


def test_the_true_noise_gives_the_clean_latent_back() -> None:
    clean, noise, times = random(4, 2, 4, 4), random(4, 2, 4, 4).flip(3), torch.tensor([0, 200, 600, 900])
    diffusion = model()
    estimate = diffusion.estimate(diffusion.noised(clean, noise, times), noise, times)
    torch.testing.assert_close(estimate, clean, rtol=1e-4, atol=1e-4)


def test_an_error_in_the_noise_grows_with_the_step_as_the_closed_form_says() -> None:
    noised, noise, times = random(2, 2, 4, 4), random(2, 2, 4, 4).flip(0), torch.tensor([250, 999])
    diffusion = model()
    moved = diffusion.estimate(noised, noise + 1, times) - diffusion.estimate(noised, noise, times)
    expected = [-math.sqrt((1 - abar(t)) / abar(t)) for t in (250, 999)]
    torch.testing.assert_close(moved.mean((1, 2, 3)).double(), torch.tensor(expected).double(), rtol=1e-4, atol=0)


def test_the_noise_is_the_first_channels_of_what_the_network_gives() -> None:
    network = Spy()
    noised, times, told = random(3, 2, 4, 4), torch.tensor([1, 2, 3]), torch.tensor([2, 0, 3])
    diffusion = model(network)
    assert diffusion.predict(noised, times, told).shape == (3, 4, 4, 4)
    torch.testing.assert_close(diffusion.noise(noised, times, told), torch.full((3, 2, 4, 4), 2.0))
    assert network.asked == {"timestep": times, "class_labels": told}
