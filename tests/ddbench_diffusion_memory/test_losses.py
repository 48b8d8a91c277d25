from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ddbench.kit.diffusion import linear_alphas
from ddbench_diffusion_memory.losses import DiffusionLoss, memory_losses
from ddbench_diffusion_memory.memory import Entries, Memory, directions

if TYPE_CHECKING:
    from torch import Tensor

CPU = torch.device("cpu")


def memory(latents: dict[int, list[list[float]]]) -> Memory:
    made = Memory("fifo", 64, "iteration", CPU)
    for label, rows in latents.items():
        made.add(label, Entries.of(directions(torch.tensor(rows)), 0, torch.zeros(len(rows), dtype=torch.int64)))
    return made


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_losses_of_a_case_by_hand() -> None:
    # directions at angles: class 0 has estimates at 0 and 90 degrees, class 3 one at 180
    angles = torch.tensor([0.0, 90.0, 180.0], dtype=torch.float64).deg2rad()
    estimates = torch.stack((angles.cos(), angles.sin()), dim=1).float()
    classes = {0: torch.tensor([0, 1]), 3: torch.tensor([2])}
    at_30_and_60 = [[math.sqrt(3) / 2, 0.5], [0.5, math.sqrt(3) / 2]]
    real = memory({0: at_30_and_60, 3: [[-1.0, 0.0], [0.0, 1.0]]})
    generated = memory({0: [[1.0, 1.0]], 3: [[-2.0, 0.0], [0.0, -7.0]]})
    l_real, l_gen = memory_losses(estimates, classes, real, generated)
    # class 0: the worst pairs are 60 degrees apart; class 3: 90. The closest: 45 degrees, and 0
    assert float(l_real) == pytest.approx(((1 - 0.5) + (1 - 0)) / 2, abs=1e-6)
    assert float(l_gen) == pytest.approx((math.sqrt(0.5) + 1) / 2, abs=1e-6)


def test_losses_of_an_empty_memory_are_zero() -> None:
    estimates = directions(draws(3, 1, 2, 2)).requires_grad_()
    classes = {0: torch.tensor([0, 2]), 1: torch.tensor([1])}
    losses = memory_losses(estimates, classes, memory({}), memory({}))
    assert [float(loss) for loss in losses] == [0.0, 0.0]


def test_a_class_with_an_empty_memory_counts_as_zero_in_the_average() -> None:
    estimates = directions(draws(2, 1, 2, 2))
    opposite = memory({0: (-estimates[:1]).tolist()})
    l_real, l_gen = memory_losses(estimates, {0: torch.tensor([0]), 1: torch.tensor([1])}, opposite, opposite)
    assert float(l_real) == pytest.approx(2 / 2, abs=1e-6)
    assert float(l_gen) == pytest.approx(-1 / 2, abs=1e-6)


def test_a_batch_without_items_that_count_has_no_losses() -> None:
    losses = memory_losses(torch.zeros(0, 4), {}, memory({}), memory({}))
    assert [float(loss) for loss in losses] == [0.0, 0.0]


def test_each_class_counts_once_whatever_the_order() -> None:
    estimates = directions(draws(12, 1, 2, 2))
    held = {label: draws(5, 4, seed=label + 1).tolist() for label in range(4)}
    rows = {label: torch.arange(label, 12, 4) for label in range(4)}
    backwards = {label: rows[label].flip(0) for label in (2, 0, 3, 1)}
    first = memory_losses(estimates, rows, memory(held), memory(held))
    second = memory_losses(estimates, backwards, memory(held), memory(held))
    cosines = [estimates[rows[label]].double() @ directions(torch.tensor(held[label])).double().T for label in held]
    assert float(first[0]) == pytest.approx(sum(1 - float(each.min()) for each in cosines) / 4, abs=1e-6)
    assert float(first[1]) == pytest.approx(sum(float(each.max()) for each in cosines) / 4, abs=1e-6)
    assert all(torch.allclose(one, other, atol=1e-7) for one, other in zip(first, second, strict=True))


def test_only_the_pairs_that_decide_pass_a_gradient() -> None:
    estimates = directions(draws(4, 1, 2, 2)).requires_grad_()
    held = memory({0: draws(6, 4, seed=1).tolist()})
    classes = {0: torch.arange(4)}
    theirs = held.of(0)
    assert theirs is not None
    cosines = estimates.detach() @ theirs.directions.T
    for loss, place, sign in zip(
        memory_losses(estimates, classes, held, held), (cosines.argmin(), cosines.argmax()), (-1, 1), strict=True
    ):
        (slope,) = torch.autograd.grad(loss, estimates, retain_graph=True)
        row, column = divmod(int(place), 6)
        expected = torch.zeros(4, 4)
        expected[row] = sign * theirs.directions[column]
        assert torch.allclose(slope, expected, atol=1e-6)


# ------------------------------------------------------------------------------------------------- diffusion


def diffusion_loss() -> DiffusionLoss:
    return DiffusionLoss.of(linear_alphas(), CPU)


def test_without_a_learned_variance_the_loss_is_the_mean_squared_error() -> None:
    predicted, noise = draws(3, 2, 4, 4), draws(3, 2, 4, 4, seed=1)
    loss = diffusion_loss()(predicted, noise, draws(3, 2, 4, 4, seed=2), torch.tensor([0, 5, 999]))
    assert float(loss) == pytest.approx(float(((predicted.double() - noise.double()) ** 2).mean()), rel=1e-6)


def bound(step: int, *tensors: Tensor) -> float:
    """Return L_vlb of one item by its definition: distributions over z_(t-1), in float64, in bits per dimension."""
    predicted, variance, noise, clean = (tensor.double() for tensor in tensors)
    beta = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    abar = (1 - beta).cumprod(0)
    noised = abar[step].sqrt() * clean + (1 - abar[step]).sqrt() * noise
    estimate = (noised - (1 - abar[step]).sqrt() * predicted) / abar[step].sqrt()
    before = abar[step - 1] if step else torch.ones((), dtype=torch.float64)

    def mean(start: Tensor) -> Tensor:
        # Ho et al., Eq. 7
        share = before.sqrt() * beta[step] * start + (1 - beta[step]).sqrt() * (1 - before) * noised
        return share / (1 - abar[step])

    tilde = beta[step] * (1 - before) / (1 - abar[step])
    smaller = tilde if step else beta[1] * (1 - abar[0]) / (1 - abar[1])
    v = (variance + 1) / 2
    deviation = (v * beta[step].log() + (1 - v) * smaller.log()).exp().sqrt()
    model = Normal(mean(estimate), deviation)
    if step:
        nats = kl_divergence(Normal(mean(clean), tilde.sqrt()), model)
    else:
        lowest, highest = (torch.special.ndtr((clean + side - model.mean) / deviation) for side in (1 / 255, -1 / 255))
        inside, highest = lowest - highest, 1 - highest
        share = torch.where(clean < -0.999, lowest, torch.where(clean > 0.999, highest, inside))
        nats = -share.clamp_min(1e-12).log()
    return float(nats.mean() / math.log(2))


@pytest.mark.parametrize("step", [0, 1, 17, 500, 999])
def test_a_learned_variance_adds_the_bound_in_bits_per_dimension(step: int) -> None:
    noise, variance = draws(2, 3, 4, 4), draws(2, 3, 4, 4, seed=1) / 2
    predicted = noise + draws(2, 3, 4, 4, seed=2) / 10
    clean = draws(2, 3, 4, 4, seed=3).clamp(-1, 1)
    times = torch.full((2,), step)
    loss = diffusion_loss()(torch.cat((predicted, variance), dim=1), noise, clean, times)
    simple = ((predicted - noise).double() ** 2).mean()
    assert float(loss - simple) == pytest.approx(bound(step, predicted, variance, noise, clean), rel=2e-3)


def test_items_at_the_first_step_and_later_ones_are_told_apart() -> None:
    noise, variance, clean = draws(2, 1, 4, 4), draws(2, 1, 4, 4, seed=1) / 2, draws(2, 1, 4, 4, seed=3).clamp(-1, 1)
    loss = diffusion_loss()(torch.cat((noise, variance), dim=1), noise, clean, torch.tensor([0, 40]))
    parts = [
        bound(step, *(tensor[at : at + 1] for tensor in (noise, variance, noise, clean)))
        for at, step in enumerate((0, 40))
    ]
    assert float(loss) == pytest.approx(sum(parts) / 2, rel=2e-3)


def test_the_bound_teaches_the_variance_and_not_the_mean() -> None:
    predicted = draws(4, 4, 4, 4).requires_grad_()
    noise, clean = draws(4, 2, 4, 4, seed=1), draws(4, 2, 4, 4, seed=2)
    loss = diffusion_loss()(predicted, noise, clean, torch.tensor([0, 3, 400, 999]))
    (slope,) = torch.autograd.grad(loss, predicted)
    simple = 2 * (predicted.detach()[:, :2] - noise) / noise.numel()
    assert torch.allclose(slope[:, :2], simple, atol=1e-7)
    assert float(slope[:, 2:].abs().max()) > 0
    assert bool(slope.isfinite().all())
