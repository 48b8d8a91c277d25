"""Functions replayed as CUDA graphs: hundreds of small kernels launched at once instead of one by one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from ddbench.types import Compute

    Function = Callable[[Tensor], Tensor]

WORTH_IT = 50  # calls: a capture takes as long as some ten
_MOST_SHAPES = 2  # full batches, and the last one of an epoch
_EQUAL = {"float32": 1e-3, "bfloat16": 2e-2}  # relative difference of norms between replay and plain call


class Replayed(nn.Module):
    """A function of one batch of images, captured when a shape of them is first seen and replayed from then on.

    What it computes with are the tensors of its network themselves, so that training and batch statistics go on in
    them. A capture leaves them as they were. Before it is trusted, a replay is compared with a plain call, logits and
    slopes; where it differs (a network that draws random numbers), or where a network cannot be captured, everything
    is computed plainly from then on, and noted.
    """

    def __init__(self, function: Function, network: nn.Module, compute: Compute, counted: Sequence[nn.Module]) -> None:
        super().__init__()
        self.network = network  # as a part of this one, so that its weights get their gradients
        self._function, self._compute, self._counted = function, compute, tuple(counted)
        self._captured: dict[tuple[int, ...], Function] = {}
        self._plain = False

    def forward(self, images: Tensor) -> Tensor:
        """Return what the function gives."""
        shape = tuple(images.shape)
        if shape not in self._captured and not self._plain and len(self._captured) < _MOST_SHAPES:
            self._capture(images, shape)
        if self._plain or shape not in self._captured:
            return self._function(images)
        result = self._captured[shape](images)
        for network in self._counted:  # a replay runs no Python, and so nothing that counts passes
            for hook in network._forward_hooks.values():
                hook(network, (images,), result)
        return result if result.requires_grad else result.clone()  # the next replay writes over it

    def _capture(self, images: Tensor, shape: tuple[int, ...]) -> None:
        try:
            with _unheard(self._counted), _unchanged(self.network):
                sample = images.detach().clone().requires_grad_(images.requires_grad)
                part = _Part(self._function, self.network).train(self.network.training)
                expected = self._slopes(part, sample)
                graphed = cast("Function", torch.cuda.make_graphed_callables(part, (sample,), allow_unused_input=True))
            with _unheard(self._counted), _unchanged(self.network):
                found = self._slopes(graphed, sample)
        except RuntimeError as error:
            self._give_up(str(error).splitlines()[0])
            return
        if all(
            _alike(mine, plain, _EQUAL[self._compute.precision]) for mine, plain in zip(found, expected, strict=True)
        ):
            self._captured[shape] = graphed
        else:
            self._give_up("a replay differs from a plain call")

    def _slopes(self, function: Function, images: Tensor) -> list[Tensor]:
        """Return what a function gives, and the slopes of its square."""
        result = function(images)
        if not result.requires_grad:
            return [result.clone()]
        inputs = [each for each in (images, *self.network.parameters()) if each.requires_grad]
        slopes = torch.autograd.grad(result.float().square().sum(), inputs, materialize_grads=True)
        return [each.detach().clone() for each in (result, *slopes)]

    def _give_up(self, reason: str) -> None:
        self._plain = True
        self._captured.clear()
        self._compute.note(f"no CUDA graph ({reason}): kernels are launched one by one, which is slower")


class _Part(nn.Module):
    """What is captured for one shape: a module without hooks, whose parameters are the network's."""

    def __init__(self, function: Function, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._function = function

    def forward(self, images: Tensor) -> Tensor:
        return self._function(images)


def replayed(
    function: Function, network: nn.Module, compute: Compute, calls: int, counted: Sequence[nn.Module] = ()
) -> Function:
    """Return a function that gives the same, replayed as a CUDA graph where that can be and is worth it.

    Args:
        function: from images to one tensor, on the device of ``compute``, with no step that waits for the device.
        network: whose weights and buffers it uses.
        compute: where; other devices than CUDA get the function itself, and so does a second attempt.
        calls: how many will be asked.
        counted: networks whose forward hooks count passes.
    """
    if compute.device.type != "cuda" or compute.parts > 1 or calls < WORTH_IT:
        return function
    return Replayed(function, network, compute, counted)


def _alike(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    found, expected = found.float(), expected.float()
    return bool((found - expected).norm() <= tolerance * expected.norm() + torch.finfo(torch.float32).tiny)


@contextmanager
def _unheard(networks: Sequence[nn.Module]) -> Iterator[None]:
    """Set the forward hooks of networks aside."""
    kept = [dict(network._forward_hooks) for network in networks]
    for network in networks:
        network._forward_hooks.clear()
    try:
        yield
    finally:
        for network, hooks in zip(networks, kept, strict=True):
            network._forward_hooks.update(hooks)


@contextmanager
def _unchanged(network: nn.Module) -> Iterator[None]:
    """Put buffers and random state back afterwards: to warm up and capture moves them."""
    kept = [buffer.clone() for buffer in network.buffers()]
    random = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in zip(network.buffers(), kept, strict=True):
                buffer.copy_(before)
        if random is not None:
            torch.cuda.set_rng_state(random)
