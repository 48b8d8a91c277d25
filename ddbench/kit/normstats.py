"""Batch-norm statistic matching: how far a batch's statistics are from those a teacher saw in training.

For every batch-norm layer the statistics of its **input** over batch and positions (biased variance) are compared
with the layer's running mean and variance. A layer's distance is the L2 norm, not squared, of the difference of
two channel vectors; distances are summed over layers, the first layer ten times (SRe2L, arXiv 2306.13092, and its
code; DWA, arXiv 2409.17612, Eq. 3).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from ddbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

FIRST_WEIGHT = 10.0  # of the layer that comes first in the network, as in the code of SRe2L and DWA
_PIECE = 1 << 14  # values per channel that the CPU's running float32 sum adds up without losing digits


class Distances(NamedTuple):
    """Distances between batch and running statistics, weighted and summed over layers: float32 scalars."""

    mean: Tensor
    variance: Tensor


class NormStatistics:
    """Collects the distances of each forward pass; ``matching`` makes one."""

    def __init__(self) -> None:
        self._layers: list[tuple[float, Tensor, Tensor]] = []

    def watch(self, layer: Any, inputs: tuple[Tensor, ...], *, weight: float) -> None:
        """Note the distances of one layer's input, (B, C) or (B, C, ...)."""
        mean, variance = channel_distances(inputs[0], layer.running_mean, layer.running_var)
        self._layers.append((weight, mean, variance))

    def collect(self) -> Distances:
        """Return the distances of the forward passes since the last call, with their gradients, and forget them."""
        weights, means, variances = zip(*self._layers, strict=True)
        self._layers.clear()
        layer_weights = means[0].new_tensor(weights)
        return Distances(torch.stack(means) @ layer_weights, torch.stack(variances) @ layer_weights)


@contextmanager
def matching(model: nn.Module, first_weight: float = FIRST_WEIGHT) -> Iterator[NormStatistics]:
    """Watch every batch-norm layer of a network inside a ``with`` block.

    ``BatchNorm2d`` sees maps (B, C, H, W); ``BatchNorm1d`` sees features (B, C), sequences (B, C, L) or tokens
    folded into the batch (B x N, C), as in ViT-BN.

    Args:
        model: the network; it stays as it is, and must be in eval mode so that its own statistics stand still.
        first_weight: weight of the first layer in the order of ``model.modules()``; the others weigh 1.

    Raises:
        UserError: the network has no batch-norm layer with running statistics.
    """
    layers = [layer for layer in model.modules() if _has_statistics(layer)]
    if not layers:
        raise UserError("the teacher has no batch-norm statistics to match: choose an architecture with batch norm")
    statistics = NormStatistics()
    handles = [
        layer.register_forward_pre_hook(_watcher(statistics, first_weight if position == 0 else 1.0))
        for position, layer in enumerate(layers)
    ]
    try:
        yield statistics
    finally:
        for handle in handles:
            handle.remove()


def channel_distances(features: Tensor, running_mean: Tensor, running_variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return ||mean - running mean||_2 and ||biased variance - running variance||_2 of features (B, C, ...).

    Means and variances are taken over all dimensions but the second, in float32 even for bfloat16 features.
    """
    distances: tuple[Tensor, Tensor] = _ChannelDistances.apply(features, running_mean, running_variance)
    return distances


def _has_statistics(layer: nn.Module) -> bool:
    return isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.running_mean is not None


def _watcher(statistics: NormStatistics, weight: float) -> Any:
    return lambda layer, inputs: statistics.watch(layer, inputs, weight=weight)


class _ChannelDistances(torch.autograd.Function):
    """Both distances with their gradient in closed form: one pass over the features forwards, one backwards.

    Of a channel with M values, d mean / d x = 1 / M and d variance / d x = 2 (x - mean) / M, so the gradient is
    scale * x + shift with one scale and shift per channel. Autograd's own graph passes over them five times.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, running_mean: Tensor, running_variance: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = _moments(features)
        mean_gap, variance_gap = mean - running_mean, variance - running_variance
        mean_distance, variance_distance = mean_gap.norm(), variance_gap.norm()
        ctx.save_for_backward(features, mean, mean_gap, variance_gap, mean_distance, variance_distance)
        return mean_distance, variance_distance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        features, mean, mean_gap, variance_gap, *distances = ctx.saved_tensors
        values = features.numel() / features.shape[1]
        # A distance of 0 has no direction; its gaps are 0 too, and so is the gradient that comes out.
        to_mean, to_variance = (
            gradient / (values * distance.clamp_min(torch.finfo(distance.dtype).tiny))
            for gradient, distance in zip(gradients, distances, strict=True)
        )
        scale = 2 * to_variance * variance_gap
        shift = to_mean * mean_gap - scale * mean
        shape = (1, -1) + (1,) * (features.dim() - 2)
        scale, shift = (vector.to(features.dtype).view(shape) for vector in (scale, shift))
        return torch.addcmul(shift, features, scale), None, None


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance per channel, at least float32; torch's own fused batch-norm reduction."""
    if features.device.type != "cpu":
        return torch.batch_norm_update_stats(features, None, None, 0.0)
    if features.dtype in (torch.bfloat16, torch.float16):
        features = features.float()
    rows = max(1, _PIECE * features.shape[0] * features.shape[1] // features.numel())
    pieces = torch.split(features, rows)
    shares = features.new_tensor([len(piece) / len(features) for piece in pieces])
    moments = [torch.batch_norm_update_stats(piece, None, None, 0.0) for piece in pieces]
    means, variances = (torch.stack(parts) for parts in zip(*moments, strict=True))
    mean = shares @ means
    return mean, shares @ (variances + (means - mean).square())
