"""Optimisers by name, with weight decay where it belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch

if TYPE_CHECKING:
    from torch import nn

Name = Literal["adamw", "sgd"]
Decay = Literal["all", "matrices"]


def optimizer(
    model: nn.Module, name: Name, learning_rate: float, momentum: float, weight_decay: float, decay: Decay = "all"
) -> torch.optim.Optimizer:
    """Return an optimiser of all of a network's parameters, its whole step in one kernel.

    Args:
        model: the network, on its device already.
        name: ``adamw``, with betas (0.9, 0.999), or ``sgd``.
        learning_rate: the one a schedule's factors multiply.
        momentum: of ``sgd``; ``adamw`` has none to set.
        weight_decay: decoupled in ``adamw``, added to the gradient in ``sgd``.
        decay: ``all`` parameters are decayed, or ``matrices``: those called weight that have two dimensions or more.
    """
    groups = _groups(model, weight_decay, decay)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=learning_rate, momentum=momentum, fused=True)
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def _groups(model: nn.Module, weight_decay: float, decay: Decay) -> list[dict[str, Any]]:
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        matrix = name.endswith("weight") and parameter.ndim >= 2
        (decayed if decay == "all" or matrix else spared).append(parameter)
    groups = ({"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0})
    return [group for group in groups if group["params"]]
