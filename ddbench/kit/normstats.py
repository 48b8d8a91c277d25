"""Batch-norm statistic matching: how far a batch's statistics are from those a teacher saw in training.

For every batch-norm layer the statistics of its **input** over batch and positions (biased variance) are compared
with the layer's running mean and variance. A layer's distance is the L2 norm, not squared, of the difference of
two channel vectors; distances are summed over layers, the first layer ten times (SRe2L, arXiv 2306.13092, and its
code; DWA, arXiv 2409.17612, Eq. 3).
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from ddbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

FIRST_WEIGHT = 10.0  # of the layer that comes first in the network, as in the code of SRe2L and DWA
_FUSED = ("cuda", "xpu")  # reduce bfloat16 into float32, too
_PIECE = 1 << 14  # values per channel that the CPU's running float32 sum adds up without losing digits


class Distances(NamedTuple):
    """Distances between batch and running statistics, weighted and summed over layers: float32 scalars."""

    mean: Tensor
    variance: Tensor


class NormStatistics:
    """Collects the distances of each forward pass; ``matching`` makes one."""

    def __init__(self) -> None:
        self._means: list[Tensor] = []
        self._variances: list[Tensor] = []

    def watch(self, layer: Any, inputs: tuple[Tensor, ...], *, weight: float) -> None:
        """Note the distances of one layer's input, (B, C) or (B, C, ...), times a weight."""
        mean, variance = channel_distances(inputs[0], layer.running_mean, layer.running_var)
        self._means.append(weight * mean)
        self._variances.append(weight * variance)

    def collect(self) -> Distances:
        """Return the distances of the forward passes since the last call, with their gradients, and forget them."""
        distances = Distances(torch.stack(self._means).sum(), torch.stack(self._variances).sum())
        self._means.clear()
        self._variances.clear()
        return distances


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
    statistics = NormStatistics()
    handles = [
        layer.register_forward_pre_hook(partial(statistics.watch, weight=first_weight if position == 0 else 1.0))
        for position, layer in enumerate(layers_of(model))
    ]
    try:
        yield statistics
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def watching(model: nn.Module) -> Iterator[list[Tensor]]:
    """Yield a list to which each forward pass inside the ``with`` block adds moments of every batch-norm layer's input.

    Two tensors a layer, float32 (C,), with gradients: mean, and biased variance. Whoever reads them empties the list.

    Raises:
        UserError: the network has no batch-norm layer with running statistics.
    """
    found: list[Tensor] = []
    handles = [
        layer.register_forward_pre_hook(lambda _, inputs: found.extend(_Moments.apply(inputs[0])))
        for layer in layers_of(model)
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def pooled_distances(
    model: nn.Module, parts: Sequence[Sequence[Tensor]], sizes: Sequence[int], first_weight: float
) -> Distances:
    """Return the distances of a batch from the moments of its parts, as ``watching`` gives them, and their sizes."""
    shares = torch.tensor(sizes, dtype=torch.float64) / sum(sizes)
    totals: list[list[Tensor]] = [[], []]
    for place, layer in enumerate(layers_of(model)):
        means, variances = (torch.stack([part[2 * place + which] for part in parts]) for which in (0, 1))
        mean, variance = _pooled(shares.to(means), means, variances)
        for gaps, gap in zip(totals, (mean - layer.running_mean, variance - layer.running_var), strict=True):
            gaps.append((first_weight if place == 0 else 1.0) * gap.norm())
    return Distances(*(torch.stack(gaps).sum() for gaps in totals))


def layers_of(model: nn.Module) -> list[Any]:
    """Return the batch-norm layers of a network that have running statistics, in the order of ``model.modules()``.

    Raises:
        UserError: there is none.
    """
    layers = [layer for layer in model.modules() if _has_statistics(layer)]
    if not layers:
        raise UserError("the teacher has no batch-norm statistics to match: choose an architecture with batch norm")
    return layers


def channel_distances(features: Tensor, running_mean: Tensor, running_variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return ||mean - running mean||_2 and ||biased variance - running variance||_2 of features (B, C, ...).

    Means and variances are taken over all dimensions but the second, in float32 even for bfloat16 features.
    """
    distances: tuple[Tensor, Tensor] = _ChannelDistances.apply(features, running_mean, running_variance)
    return distances


def _has_statistics(layer: nn.Module) -> bool:
    return isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) and layer.running_mean is not None


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
        directions = _direction(mean_gap, mean_distance), _direction(variance_gap, variance_distance)
        ctx.save_for_backward(features, mean, *directions)
        return mean_distance, variance_distance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        features, mean, mean_direction, variance_direction = ctx.saved_tensors
        mean_slope, variance_slope = (gradient * (features.shape[1] / features.numel()) for gradient in gradients)
        scale = 2 * variance_slope * variance_direction
        shift = mean_slope * mean_direction - scale * mean
        return _affine(features, scale, shift), None, None


class _Moments(torch.autograd.Function):
    """Mean and biased variance per channel, with their gradient in closed form, as above."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = _moments(features)
        ctx.save_for_backward(features, mean)
        return mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        features, mean = ctx.saved_tensors
        mean_slope, variance_slope = (gradient * (features.shape[1] / features.numel()) for gradient in gradients)
        return _affine(features, 2 * variance_slope, mean_slope - 2 * variance_slope * mean)


def _affine(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return scale * features + shift, one scale and one shift per channel."""
    shape = (1, -1) + (1,) * (features.dim() - 2)
    scale, shift = (vector.to(features.dtype).view(shape) for vector in (scale, shift))
    return torch.addcmul(shift, features, scale)


def _direction(gap: Tensor, length: Tensor) -> Tensor:
    """Return a gap's unit vector, or zeros where there is no gap."""
    return gap / length.clamp_min(torch.finfo(length.dtype).tiny)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance per channel, at least float32; torch's own fused batch-norm reduction."""
    if features.device.type in _FUSED:
        return torch.batch_norm_update_stats(features, None, None, 0.0)
    if features.device.type != "cpu":
        return _reduced(features.float())
    if features.dtype in (torch.bfloat16, torch.float16):
        features = features.float()
    rows = max(1, _PIECE * len(features) * features.shape[1] // features.numel())
    if rows >= len(features):
        return torch.batch_norm_update_stats(features, None, None, 0.0)
    return _pooled_moments(torch.split(features, rows))


def _reduced(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance per channel where torch has no fused reduction, as on MPS."""
    variance, mean = torch.var_mean(features, [0, *range(2, features.dim())], correction=0)
    return mean, variance


def _pooled_moments(pieces: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of all pieces from those of each: within pieces plus between them."""
    moments = [torch.batch_norm_update_stats(piece, None, None, 0.0) for piece in pieces]
    means, variances = (torch.stack(parts) for parts in zip(*moments, strict=True))
    sizes = means.new_tensor([len(piece) for piece in pieces])
    return _pooled(sizes / sizes.sum(), means, variances)


def _pooled(shares: Tensor, means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    with torch.autocast(means.device.type, enabled=False):  # which would multiply in bfloat16
        mean = shares @ means
        return mean, shares @ (variances + (means - mean).square())
