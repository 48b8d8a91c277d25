from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import pytest
import torch

from ddbench.testing.bench import Bench
from ddbench.testing.toys import ToyDataset
from ddbench_random_perturbation import directions

if TYPE_CHECKING:
    from torch import Tensor, nn


@pytest.fixture
def teacher() -> nn.Module:
    return Bench(ToyDataset(classes=4, channels=3)).teacher()


def drawn(model: nn.Module, seed: int) -> list[Tensor]:
    return directions.gaussian(model, torch.Generator().manual_seed(seed))


def length(parts: list[Tensor]) -> float:
    return math.sqrt(sum(float(part.double().square().sum()) for part in parts))


def test_a_direction_covers_every_parameter_with_independent_standard_normal_numbers(teacher: nn.Module) -> None:
    direction = drawn(teacher, 0)
    assert [part.shape for part in direction] == [weight.shape for weight in teacher.parameters()]
    numbers = torch.cat([part.flatten() for part in direction])
    assert abs(float(numbers.mean())) < 0.2
    assert abs(float(numbers.std()) - 1) < 0.1


@pytest.mark.parametrize("rho", [0.0, 0.015, 2.0])
def test_the_rescaled_direction_has_the_length_asked_over_all_parameters_together(
    teacher: nn.Module, rho: float
) -> None:
    assert length(directions.of_length(drawn(teacher, 0), rho)) == pytest.approx(rho, rel=1e-6)


def test_rescaling_keeps_the_direction(teacher: nn.Module) -> None:
    before = torch.cat([part.flatten() for part in drawn(teacher, 0)])
    after = torch.cat([part.flatten() for part in directions.of_length(drawn(teacher, 0), 0.1)])
    assert float(torch.cosine_similarity(before, after, dim=0)) == pytest.approx(1, abs=1e-5)


def test_moving_adds_the_step_and_leaves_running_statistics(teacher: nn.Module) -> None:
    moved = copy.deepcopy(teacher)
    step = drawn(teacher, 1)
    directions.move(moved, step)
    for after, before, change in zip(moved.parameters(), teacher.parameters(), step, strict=True):
        torch.testing.assert_close(after - before, change, rtol=1e-5, atol=1e-6)
    assert all(torch.equal(after, before) for after, before in zip(moved.buffers(), teacher.buffers(), strict=True))
