"""Where torch computes, and how it stays repeatable there."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch

from ddbench.kit import pointwise

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ddbench.types import Compute


def autocast(compute: Compute) -> AbstractContextManager[object]:
    """Return the context in which forward passes and losses of a stage run: mixed precision when it is asked for."""
    if compute.precision == "float32":
        return nullcontext()
    return torch.autocast(compute.device.type, dtype=torch.bfloat16)


def place(model: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, in the layout and form in which its convolutions are fastest there."""
    if device.type == "cpu":
        model = pointwise.rewrite(model)
    return model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def place_images(images: Tensor, device: torch.device) -> Tensor:
    """Move images (B, C, H, W) to a device, in the layout of ``place``."""
    return images.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor from the CPU on a device, through pinned memory, so that nobody waits for what a GPU computes."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def freeze(model: nn.Module) -> nn.Module:
    """Put a network in eval mode and stop gradients at its weights; returns it."""
    return model.eval().requires_grad_(requires_grad=False)
