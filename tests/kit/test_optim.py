from __future__ import annotations

import pytest
import torch
from torch import nn

from ddbench.kit.optim import Decay, optimizer


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.ones(3, 4))
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)


def decayed(decay: Decay) -> set[str]:
    """Return the parameters that shrink in a step without gradient."""
    model = Net()
    for parameter in model.parameters():
        nn.init.ones_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    optimizer(model, "adamw", 0.1, 0.0, 0.5, decay).step()
    return {name for name, parameter in model.named_parameters() if (parameter < 1).all()}


def test_all_parameters_are_decayed() -> None:
    assert decayed("all") == {"position", "conv.weight", "conv.bias", "norm.weight", "norm.bias"}


def test_matrices_are_the_weights_of_two_dimensions_and_more() -> None:
    assert decayed("matrices") == {"conv.weight"}


def test_sgd_steps_as_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    sgd = optimizer(model, "sgd", 0.1, 0.9, 0.01)
    weight, velocity = 2.0, 0.0
    for gradient in (1.0, -0.5, 0.25):
        model.weight.grad = torch.full_like(model.weight, gradient)
        sgd.step()
        velocity = 0.9 * velocity + gradient + 0.01 * weight
        weight -= 0.1 * velocity
    assert model.weight.item() == pytest.approx(weight)


def test_adamw_decays_apart_from_its_step() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    model.weight.grad = torch.full_like(model.weight, 3.0)
    optimizer(model, "adamw", 0.1, 0.0, 0.5).step()
    assert model.weight.item() == pytest.approx(2.0 * (1 - 0.1 * 0.5) - 0.1)  # Adam's first step is the sign
