from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.optim import SGD, lr_scheduler

from ddbench.kit import schedule

if TYPE_CHECKING:
    from collections.abc import Callable


def torchs(make: Callable[[SGD], Any], epochs: int) -> list[float]:
    """Return the learning rates that one of PyTorch's schedulers gives, from 1."""
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = make(optimizer), []
    for _ in range(epochs):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_cosine_is_pytorchs_annealing(floor: float) -> None:
    expected = torchs(lambda sgd: lr_scheduler.CosineAnnealingLR(sgd, T_max=40, eta_min=floor), 40)
    assert [schedule.cosine(40, floor=floor)(epoch) for epoch in range(40)] == pytest.approx(expected)


def test_half_cosine_ends_at_one_half() -> None:
    factors = [schedule.half_cosine(300)(epoch) for epoch in range(301)]
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(0.5)
    assert factors == sorted(factors, reverse=True)


def test_warm_up_is_pytorchs_linear_one_before_a_whole_cosine() -> None:
    warm = torchs(lambda sgd: lr_scheduler.LinearLR(sgd, start_factor=0.01, total_iters=5), 5)
    rest = torchs(lambda sgd: lr_scheduler.CosineAnnealingLR(sgd, T_max=95), 95)
    ours = schedule.named("cosine", 100, warmup_epochs=5)
    assert [ours(epoch) for epoch in range(100)] == pytest.approx(warm + rest)


def test_steps_are_pytorchs() -> None:
    expected = torchs(lambda sgd: lr_scheduler.StepLR(sgd, step_size=30), 90)
    assert [schedule.named("steps", 90)(epoch) for epoch in range(90)] == pytest.approx(expected)


def test_late_steps_are_pytorchs_at_two_thirds_and_five_sixths() -> None:
    expected = torchs(lambda sgd: lr_scheduler.MultiStepLR(sgd, milestones=[1333, 1666], gamma=0.2), 2000)
    ours = schedule.named("late-steps", 2000)
    assert [ours(epoch) for epoch in range(2000)] == pytest.approx(expected)
    assert [round(ours(epoch), 4) for epoch in (0, 1332, 1333, 1665, 1666, 1999)] == [1, 1, 0.2, 0.2, 0.04, 0.04]


def test_constant_stays_one() -> None:
    assert {schedule.named("constant", 10)(epoch) for epoch in range(10)} == {1.0}
