"""The slope of a loss over a whole batch, with one part of the batch at a time in memory.

Gradients are cached where the parts meet (Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory
Limited Setup", RepL4NLP 2021, section 3): all parts go forward without a graph, the loss sees the whole batch, and each
part goes forward once more to take its share of the slope back. So the loss may depend on the batch as a whole; what
each part gives must not depend on the others.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor, nn

    Outputs = tuple[Tensor, ...]

_TRIED = 4  # images
_EQUAL = 1e-3  # relative to the largest logit: far above rounding, far below what batch statistics or dropout do


def backward(
    parts: Sequence[Tensor], forward: Callable[[Tensor], Outputs], loss: Callable[[Sequence[Outputs]], Tensor]
) -> Tensor:
    """Add the slope of a loss to the ``grad`` of whatever requires it, in ``forward`` and the parts; returns the loss.

    Args:
        parts: of a batch, in order.
        forward: of one part; called twice on each, and must give the same both times.
        loss: a scalar, of what ``forward`` gave for each part.
    """
    with torch.no_grad():
        seen = [forward(part) for part in parts]
    leaves = [tuple(output.detach().requires_grad_() for output in outputs) for outputs in seen]
    total = loss(leaves)
    slopes = iter(torch.autograd.grad(total, [leaf for outputs in leaves for leaf in outputs], materialize_grads=True))
    for part, outputs in zip(parts, leaves, strict=True):
        torch.autograd.backward(forward(part), [next(slopes) for _ in outputs])
    return total.detach()


def is_separable(model: nn.Module, images: Tensor) -> bool:
    """Tell whether a network, in its mode, gives an image the same logits whatever else is in its batch.

    It is tried on a copy, with a few of the images (B, C, H, W): batch statistics and random numbers forbid it. What
    is drawn there is drawn again afterwards.
    """
    tried = images[:_TRIED]
    with torch.no_grad(), torch.random.fork_rng([images.device] if images.is_cuda else []):
        together = copy.deepcopy(model)(tried).float()
        apart = torch.cat([copy.deepcopy(model)(part).float() for part in tried.tensor_split(2)])
    return bool((together - apart).abs().max() <= _EQUAL * together.abs().max())


def kept_in_host_memory(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which autograd keeps tensors in the host's memory: the same bits, slower.

    They come back as they lay, unlike from ``torch.autograd.graph.save_on_cpu``: in another layout other kernels run.
    """
    if device.type == "cpu":
        return nullcontext()
    on_cuda = device.type == "cuda"

    def away(tensor: Tensor) -> tuple[torch.device, Tensor]:
        kept = torch.empty_like(tensor, device="cpu", pin_memory=on_cuda)
        return tensor.device, kept.copy_(tensor, non_blocking=on_cuda)

    def back(kept: tuple[torch.device, Tensor]) -> Tensor:
        place, tensor = kept
        return tensor.to(place, non_blocking=on_cuda)

    return torch.autograd.graph.saved_tensors_hooks(away, back)
