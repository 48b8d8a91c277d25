"""Steps in weight space that follow no gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn


def gaussian(model: nn.Module, numbers: torch.Generator) -> list[Tensor]:
    """Return standard normal numbers for every parameter of a network, drawn on the CPU, on its device."""
    return [torch.randn(weight.shape, generator=numbers).to(weight) for weight in model.parameters()]


def of_length(direction: list[Tensor], length: float) -> list[Tensor]:
    """Return a direction rescaled so that its L2 norm over all parameters together is ``length``."""
    norm = torch.stack([part.norm() for part in direction]).norm()
    return [part * (length / norm) for part in direction]


def move(model: nn.Module, step: list[Tensor]) -> None:
    """Add a step to a network's parameters, in place."""
    with torch.no_grad():
        for weight, change in zip(model.parameters(), step, strict=True):
            weight.add_(change)
