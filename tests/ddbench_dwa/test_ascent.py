from __future__ import annotations

import copy
import itertools
import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ddbench.testing.bench import Bench
from ddbench.testing.toys import ToyDataset
from ddbench_dwa.ascent import Gradient, climb

if TYPE_CHECKING:
    from collections.abc import Iterator

RHO = 0.05


@pytest.fixture
def teacher() -> nn.Module:
    return Bench(ToyDataset(classes=4, channels=3)).teacher()


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    numbers = torch.Generator().manual_seed(0)
    return torch.randn(4, 3, 8, 8, generator=numbers), torch.arange(4)


def vector(model: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten().double() for weight in model.parameters()])


def way(before: nn.Module, after: nn.Module) -> float:
    return float((vector(after) - vector(before)).norm())


def loss_of(model: nn.Module, images: Tensor, labels: Tensor, reduction: str = "mean") -> float:
    with torch.no_grad():
        return float(functional.cross_entropy(model(images), labels, reduction=reduction))


def climbed(model: nn.Module, batch: tuple[Tensor, Tensor], steps: int) -> Iterator[nn.Module]:
    """Yield the network after each of some steps, RHO / steps long, taken one by one."""
    model = copy.deepcopy(model)
    for _ in range(steps):
        climb(model, *batch, steps=1, rho=RHO / steps)
        yield copy.deepcopy(model)


def test_every_step_is_a_kth_of_rho_long_and_the_whole_way_at_most_rho(
    teacher: nn.Module, batch: tuple[Tensor, Tensor]
) -> None:
    before = teacher
    for after in climbed(teacher, batch, 5):
        assert way(before, after) == pytest.approx(RHO / 5, rel=1e-4)
        before = after
    at_once = copy.deepcopy(teacher)
    climb(at_once, *batch, steps=5, rho=RHO)
    assert torch.equal(vector(at_once), vector(before))
    assert 0.5 * RHO < way(teacher, at_once) <= RHO * (1 + 1e-5)


def test_the_loss_on_the_batch_rises_with_every_step(teacher: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    losses = [loss_of(model, *batch) for model in (teacher, *climbed(teacher, batch, 5))]
    assert all(earlier < later for earlier, later in itertools.pairwise(losses))


def test_all_parameters_move_and_running_statistics_do_not(teacher: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    after = copy.deepcopy(teacher)
    climb(after, *batch, steps=3, rho=RHO)
    old, new = teacher.state_dict(), after.state_dict()
    moved = {name for name, value in new.items() if not torch.equal(value, old[name])}
    assert moved == {name for name, _ in teacher.named_parameters()}
    assert not any(weight.requires_grad or weight.grad is not None for weight in after.parameters())
    assert not after.training


def test_rho_of_zero_and_a_flat_loss_move_nothing(teacher: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
    still = copy.deepcopy(teacher)
    climb(still, *batch, steps=3, rho=0)
    assert torch.equal(vector(still), vector(teacher))
    flat = nn.Sequential(nn.Flatten(), nn.Linear(192, 1))
    before = vector(flat)
    climb(flat, batch[0], torch.zeros(4, dtype=torch.int64), steps=2, rho=RHO)
    assert torch.equal(vector(flat), before)


def test_the_normalised_direction_is_the_gradient_over_one_norm_of_all_parameters(batch: tuple[Tensor, Tensor]) -> None:
    images, labels = batch[0].flatten(1).double(), batch[1]
    model = nn.Linear(192, 4).double()
    weight, bias = model.weight.detach().clone(), model.bias.detach().clone()
    surplus = ((images @ weight.T + bias).exp() / (images @ weight.T + bias).exp().sum(1, keepdim=True)) - torch.eye(4)
    slopes = surplus.T @ images / 4, surplus.sum(0) / 4
    length = math.sqrt(sum(float((slope**2).sum()) for slope in slopes))
    climb(model, images, labels, steps=1, rho=RHO)
    torch.testing.assert_close(model.weight.detach(), weight + RHO * slopes[0] / length)
    torch.testing.assert_close(model.bias.detach(), bias + RHO * slopes[1] / length)


def test_the_raw_step_is_the_gradient_of_the_summed_loss(batch: tuple[Tensor, Tensor]) -> None:
    images, labels = batch[0].flatten(1).double(), batch[1]
    model = nn.Linear(192, 4).double()
    weight, bias = model.weight.detach().clone(), model.bias.detach().clone()
    for _ in range(2):
        odds = (images @ weight.T + bias).exp()
        surplus = odds / odds.sum(1, keepdim=True) - torch.eye(4)
        weight, bias = weight + RHO / 2 * surplus.T @ images, bias + RHO / 2 * surplus.sum(0)
    climb(model, images, labels, steps=2, rho=RHO, gradient="raw")
    torch.testing.assert_close(model.weight.detach(), weight)
    torch.testing.assert_close(model.bias.detach(), bias)


def softmax_regression_at_its_optimum() -> tuple[nn.Linear, Tensor, Tensor]:
    """Return overlapping classes, and the network that minimises the loss summed over all of them."""
    numbers = torch.Generator().manual_seed(0)
    labels = torch.arange(3).repeat(40)
    images = torch.randn(120, 4, generator=numbers).double() + functional.one_hot(labels, 4)
    model = nn.Linear(4, 3).double()
    solver = torch.optim.LBFGS(model.parameters(), max_iter=500, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        loss = functional.cross_entropy(model(images), labels, reduction="sum")
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call] # likewise
    return model, images, labels


@pytest.mark.parametrize("steps", [1, 12])
def test_climbing_on_a_batch_descends_on_the_rest_of_the_data_where_all_of_it_is_at_its_minimum(steps: int) -> None:
    """Check Eq. 14 on a convex problem.

    At a minimum of L_T = L_B + L_rest the gradients cancel: grad L_rest = -grad L_B. To first order a step Delta
    along grad L_B / ||grad L_B||, rho long, changes L_B by rho ||grad L_B|| and L_rest by exactly the opposite.
    Second order: both curve upwards, so L_rest falls only while rho is small, and L_T itself rises.
    """
    model, images, labels = softmax_regression_at_its_optimum()
    batch, rest = (images[:3], labels[:3]), (images[3:], labels[3:])
    slopes = torch.autograd.grad(
        functional.cross_entropy(model(batch[0]), batch[1], reduction="sum"), list(model.parameters())
    )
    steepness = math.sqrt(sum(float((slope**2).sum()) for slope in slopes))
    after, rho = copy.deepcopy(model), 1e-4
    climb(after, *batch, steps=steps, rho=rho)
    change_on_rest = loss_of(after, *rest, "sum") - loss_of(model, *rest, "sum")
    change_on_all = loss_of(after, images, labels, "sum") - loss_of(model, images, labels, "sum")
    assert change_on_rest == pytest.approx(-rho * steepness, rel=0.02)
    assert 0 < change_on_all < -change_on_rest


@pytest.mark.parametrize("gradient", ["normalised", "raw"])
def test_in_parts_the_way_is_the_same(teacher: nn.Module, batch: tuple[Tensor, Tensor], gradient: Gradient) -> None:
    whole, cut = copy.deepcopy(teacher).double(), copy.deepcopy(teacher).double()
    images, labels = batch[0].double(), batch[1]
    for model, parts in ((whole, 1), (cut, 3)):
        climb(model, images, labels, steps=4, rho=RHO, gradient=gradient, parts=parts)
    assert way(teacher, whole) > 0
    torch.testing.assert_close(vector(cut), vector(whole), rtol=1e-10, atol=1e-12)
