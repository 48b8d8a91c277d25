"""What the recover loop minimises, and its slope: of a batch at once, in parts, or replayed as a CUDA graph."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from ddbench.kit import accumulation, device, graphs, normstats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor, nn

    from ddbench.kit.accumulation import Outputs
    from ddbench.types import Compute

    Slope = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """Cross-entropy, and weighted distances of batch-norm statistics.

    Attributes:
        model: gives the logits; frozen, on the device.
        norm_model: gives the distances, from a forward pass of its own unless it is ``model``.
        labels: int64 (B,), on the device.
        lambda_mean: weight of the distances of means.
        lambda_var: weight of the distances of variances.
        first_weight: factor on the first batch-norm layer.
        compute: where, at which precision, and in how many parts.
    """

    model: nn.Module
    norm_model: nn.Module
    labels: Tensor
    lambda_mean: float
    lambda_var: float
    first_weight: float
    compute: Compute

    @contextmanager
    def descending(self, calls: int) -> Iterator[Slope]:
        """Yield a function that takes views (B, C, H, W), adds the slope at their source, and returns the loss.

        Args:
            calls: how many will be asked.
        """
        if self.compute.parts > 1:
            self.compute.note(f"each batch was sent through the teacher in {self.compute.parts} parts")
            yield self._in_parts
            return
        with normstats.matching(self.norm_model, self.first_weight) as norms:
            networks = (self.model,) if self.norm_model is self.model else (self.model, self.norm_model)
            loss_of = graphs.replayed(
                lambda views: self._loss_of(views, norms), self.model, self.compute, calls, counted=networks
            )

            def slope(views: Tensor) -> Tensor:
                loss = loss_of(views)
                torch.autograd.backward(loss)
                return loss

            yield slope

    def _loss_of(self, views: Tensor, norms: normstats.NormStatistics) -> Tensor:
        with device.autocast(self.compute):
            return self._loss(self._logits(views), norms.collect())

    def _logits(self, views: Tensor) -> Tensor:
        logits: Tensor = self.model(views)
        if self.norm_model is not self.model:
            self.norm_model(views)
        return logits

    def _loss(self, logits: Tensor, distances: normstats.Distances) -> Tensor:
        norm_terms = self.lambda_mean * distances.mean + self.lambda_var * distances.variance
        return functional.cross_entropy(logits.float(), self.labels) + norm_terms

    def _in_parts(self, views: Tensor) -> Tensor:
        """Do the same with part of the batch at a time, but for rounding: statistics are still those of all of it."""
        source = views.detach().requires_grad_()
        parts = source.tensor_split(self.compute.parts)
        with normstats.watching(self.norm_model) as moments:

            def forward(part: Tensor) -> Outputs:
                with device.autocast(self.compute):
                    logits = self._logits(part)
                found = (logits, *moments)
                moments.clear()
                return found

            loss = accumulation.backward(parts, forward, lambda outputs: self._whole(outputs, [len(p) for p in parts]))
        torch.autograd.backward(views, source.grad)
        return loss

    def _whole(self, outputs: Sequence[Outputs], sizes: Sequence[int]) -> Tensor:
        moments = [part[1:] for part in outputs]
        distances = normstats.pooled_distances(self.norm_model, moments, sizes, self.first_weight)
        return self._loss(torch.cat([part[0] for part in outputs]), distances)
