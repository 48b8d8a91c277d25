"""The recover loop written as the papers' scripts do it: the yardstick of the speed benchmark.

Weight gradients stay on, tensors stay in the contiguous layout, a hook on every batch-norm layer keeps its
statistics as a graph of small operations, and the optimiser is torch's own, called the plain way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


class _Watcher:
    """Holds one batch-norm layer's distance between batch and running statistics."""

    def __init__(self, layer: nn.BatchNorm2d) -> None:
        self.handle = layer.register_forward_hook(self.compare)
        self.distance: Tensor

    def compare(self, layer: Any, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        channels = inputs[0].shape[1]
        mean = inputs[0].mean([0, 2, 3])
        variance = inputs[0].permute(1, 0, 2, 3).contiguous().reshape(channels, -1).var(1, unbiased=False)
        self.distance = torch.norm(layer.running_var - variance, 2) + torch.norm(layer.running_mean - mean, 2)


def plain_recover_iterations(model: nn.Module, images: Tensor, labels: Tensor, iterations: int) -> Tensor:
    """Return normalised images (B, C, H, W) after some iterations with roll, CE, batch-norm terms, Adam and clamp."""
    model.eval().requires_grad_(requires_grad=True)
    watchers = [_Watcher(layer) for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    images = images.clone().contiguous().requires_grad_(True)
    optimizer = torch.optim.Adam([images], lr=0.25, betas=(0.5, 0.9), eps=1e-8)
    for iteration in range(iterations):
        optimizer.param_groups[0]["lr"] = 0.25 * 0.5 * (1 + math.cos(math.pi * iteration / iterations))
        down, right = (int(torch.randint(0, 5, ())) for _ in range(2))
        rolled = torch.roll(images, shifts=(down, right), dims=(2, 3))
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(rolled), labels)
        distances = [watcher.distance * (10.0 if first == 0 else 1.0) for first, watcher in enumerate(watchers)]
        torch.autograd.backward(loss + 0.01 * sum(distances))
        optimizer.step()
        with torch.no_grad():
            for channel in range(images.shape[1]):
                images[:, channel] = torch.clamp(images[:, channel], -2.0, 2.0)
    for watcher in watchers:
        watcher.handle.remove()
    return images.detach()
