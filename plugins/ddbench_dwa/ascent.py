"""The directed weight adjustment: a few steps uphill on the loss of one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor, nn

Gradient = Literal["normalised", "raw"]


def climb(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    steps: int,
    rho: float,
    gradient: Gradient = "normalised",
    parts: int = 1,
) -> None:
    """Move all weights of a network, in place, so that its cross-entropy on a batch rises.

    Every step adds (rho / steps) times a direction, found anew at the moved weights:

    ``normalised``
        the gradient over its L2 norm, one norm over all parameters: ||Delta|| <= rho, as in the authors' code;
    ``raw``
        the gradient itself, of the loss summed over the batch, as Eq. 11 and line 7 of Algorithm 1 have it.

    Where the weights are at a minimum of the loss over all data T, the gradients of a batch B and of the rest
    cancel, so that a small step up on B is a step down on T without B (Eq. 14).

    Args:
        model: in eval mode; weights, biases and batch norm's affine parameters move, its running statistics do not.
        images: normalised floats (B, C, H, W) on the network's device.
        labels: int64 (B,), likewise.
        steps: K, 1 or more.
        rho: length of the whole way.
        gradient: see above.
        parts: in how many the batch goes through the network, where memory is short; but for rounding, the same.
    """
    parameters = list(model.parameters())
    model.requires_grad_(requires_grad=True)
    reduction = "mean" if gradient == "normalised" else "sum"
    for _ in range(steps):
        slopes = _slopes(model, images, labels, parameters, reduction, parts)
        length = _norm(slopes) if gradient == "normalised" else 1
        with torch.no_grad():
            for parameter, slope in zip(parameters, slopes, strict=True):
                parameter.add_(slope * (rho / steps / length))
    model.requires_grad_(requires_grad=False)


def _slopes(
    model: nn.Module, images: Tensor, labels: Tensor, parameters: list[nn.Parameter], reduction: str, parts: int
) -> tuple[Tensor, ...]:
    """Return the gradient of the loss of a batch, added up over its parts."""
    total: tuple[Tensor, ...] = ()
    for some, theirs in zip(images.tensor_split(parts), labels.tensor_split(parts), strict=True):
        share = len(some) / len(images) if reduction == "mean" else 1.0
        loss = share * functional.cross_entropy(model(some), theirs, reduction=reduction)
        slopes = torch.autograd.grad(loss, parameters, materialize_grads=True)
        total = tuple(map(torch.add, total, slopes)) if total else slopes
    return total


def _norm(slopes: tuple[Tensor, ...]) -> Tensor:
    """Return the L2 norm over all parameters together, kept from 0 so that a flat loss moves nothing."""
    norm: Tensor = torch.stack([torch.linalg.vector_norm(slope) for slope in slopes]).norm()
    return norm.clamp_min(1e-12)
