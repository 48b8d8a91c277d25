"""Functions replayed as CUDA graphs: hundreds of small kernels launched at once instead of one by one."""

from __future__ import annotations

import functools
import gc
import math
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from ddbench.types import Compute

    Function = Callable[[Tensor], Tensor]

WORTH_IT = 50  # calls: a capture takes as long as some ten
_DEVICES = ("cuda",)
_MOST_SHAPES = 2  # full batches, and the last one of an epoch
_WARM_UPS = 3  # calls before a capture, in which libraries choose kernels and allocate what they work in
_EQUAL = {"float32": 1e-3, "bfloat16": 2e-2}  # relative difference of norms between replay and plain call


class Replayed(nn.Module):
    """A function of one batch of images, captured when a shape of them is first seen and replayed from then on.

    What it computes with are the tensors of its network themselves, so that training and batch statistics go on in
    them. A capture leaves them as they were. Before it is trusted, a replay is compared with a plain call on other
    images, logits and slopes; where it differs, or where a network cannot be captured, everything is computed plainly
    from then on, and noted.

    A result that has a slope, and the gradients that it leaves at weights, lie in memory that the next call with that
    shape writes over: go backwards, take the step and set gradients to None (``zero_grad``) before it.
    """

    def __init__(self, function: Function, network: nn.Module, compute: Compute, counted: Sequence[nn.Module]) -> None:
        super().__init__()
        self.network = network  # as a part of this one, so that its weights get their gradients
        self._function, self._compute, self._counted = function, compute, tuple(counted)
        self._captured: dict[tuple[object, ...], _Captured] = {}
        self._plain = False

    def forward(self, images: Tensor) -> Tensor:
        """Return what the function gives."""
        kind = (*images.shape, images.requires_grad, torch.is_grad_enabled(), self.network.training)
        if kind not in self._captured and not self._plain and len(self._captured) < _MOST_SHAPES:
            self._capture(images, kind)
        if kind not in self._captured:
            return self._function(images)
        result = self._captured[kind](images)
        for network in self._counted:  # a replay runs no Python, and so nothing that counts passes
            seen = result if network is self.network else result.detach()  # its own logits lead nowhere
            for hook in network._forward_hooks.values():
                hook(network, (images,), seen)
        return result if result.requires_grad else result.clone()  # the next replay writes over it

    def _capture(self, images: Tensor, kind: tuple[object, ...]) -> None:
        weights = [weight for weight in self.network.parameters() if weight.requires_grad]
        plain = images.detach()
        sample, other = (each.requires_grad_(images.requires_grad) for each in (plain.clone(), -plain))
        try:
            with self._aside():
                expected = _slopes(self._function, other, weights)
            with self._aside():
                captured = _Captured(self._function, sample, weights)
            with self._aside():
                found = _slopes(captured, other, weights)
        except RuntimeError as error:
            self._give_up(str(error).splitlines()[0])
            return
        tolerance = _EQUAL[self._compute.precision]
        if _alike(found[:1], expected[:1], tolerance) and _alike(found[1:], expected[1:], tolerance):
            self._captured[kind] = captured
        else:
            self._give_up("a replay differs from a plain call")

    def _give_up(self, reason: str) -> None:
        self._plain = True
        self._captured.clear()
        self._compute.note(f"no CUDA graph ({reason}): kernels are launched one by one, which is slower")

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Leave networks, random state and stream as they were, unheard by hooks, and outside of autocast.

        Autocast keeps copies of weights, which a graph would read long after they are gone: the function itself
        enters what it wants.
        """
        device = self._compute.device
        with ExitStack() as stack:
            stack.enter_context(_unheard(self._counted))
            stack.enter_context(_unchanged(self.network))
            stack.enter_context(torch.random.fork_rng([device] if device.type == "cuda" else []))
            stack.enter_context(torch.autocast(device.type, enabled=False, cache_enabled=False))
            stack.enter_context(torch.cuda.stream(torch.cuda.current_stream(device)))  # on this device, not the first
            yield


class _Captured:
    """A function of images of one shape, and its slope, as two graphs that read and write the same memory each time.

    Done by hand: ``torch.cuda.make_graphed_callables`` keeps what autograd recorded, whose nodes at the weights would
    take gradients on the capture's stream ever after, and may let the capture of another shape fail. With it other
    threads could not read images during a capture, and graphs would wait for Python's collector to be freed.
    """

    def __init__(self, function: Function, images: Tensor, weights: Sequence[Tensor]) -> None:
        self._images, self._weights = images, tuple(weights)
        self._slopes: list[Tensor | None] = []
        with _uncollected():
            stream = _side_stream(images.device)
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    _slopes(function, images, weights)
            torch.cuda.current_stream().wait_stream(stream)
            self._forward = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._forward, stream=stream, capture_error_mode="thread_local"):
                result = function(images)
            self._result = result.detach()
            if result.requires_grad:
                self._capture_backward(result, stream)

    def _capture_backward(self, result: Tensor, stream: torch.cuda.Stream) -> None:
        inputs = (self._images, *self._weights)
        self._slope = torch.ones_like(result)
        self._backward, pool = torch.cuda.CUDAGraph(), self._forward.pool()
        with torch.cuda.graph(self._backward, pool=pool, stream=stream, capture_error_mode="thread_local"):
            wanted = [each for each in inputs if each.requires_grad]
            found = iter(torch.autograd.grad(result, wanted, self._slope, allow_unused=True))
        self._slopes = [next(found) if each.requires_grad else None for each in inputs]

    def __call__(self, images: Tensor) -> Tensor:
        if not self._slopes:  # such as in a function that turns gradients off itself
            return self.forward(images)
        result: Tensor = _Replay.apply(self, images, *self._weights)
        return result

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return the result for images of the captured shape; without gradient."""
        self._images.copy_(images)
        self._forward.replay()
        return self._result.detach()

    def backward(self, slope: Tensor) -> list[Tensor | None]:
        """Return the slopes at images and weights for that of the last result."""
        self._slope.copy_(slope)
        self._backward.replay()
        return [None if each is None else each.detach() for each in self._slopes]


class _Replay(torch.autograd.Function):
    """What is captured, in the eyes of autograd: of what is captured, images and weights."""

    @staticmethod
    def forward(ctx: Any, captured: _Captured, images: Tensor, *_weights: Tensor) -> Tensor:
        ctx.captured = captured
        return captured.forward(images)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *ctx.captured.backward(slope))


def replayed(
    function: Function, network: nn.Module, compute: Compute, calls: int, counted: Sequence[nn.Module] = ()
) -> Function:
    """Return a function that gives the same, replayed as a CUDA graph where that can be and is worth it.

    Args:
        function: from images to one tensor, on the device of ``compute``, with no step that waits for the device.
        network: whose weights and buffers it uses.
        compute: where; other devices than CUDA get the function itself, and so does a second attempt.
        calls: how many will be asked.
        counted: networks whose forward hooks count passes; backward passes are those of ``network``.
    """
    if compute.device.type not in _DEVICES or compute.parts > 1 or calls < WORTH_IT:
        return function
    return Replayed(function, network, compute, counted)


@functools.cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream on which graphs are captured, always the same: libraries keep working memory for each."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch leaves it untyped


def _slopes(function: Function, images: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """Return what a function gives, and the slopes of its square at images and weights."""
    result = function(images)
    if not result.requires_grad:
        return [result.clone()]
    inputs = [each for each in (images, *weights) if each.requires_grad]
    slopes = torch.autograd.grad(result.float().square().sum(), inputs, materialize_grads=True)
    return [each.detach().clone() for each in (result, *slopes)]


def _alike(found: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float) -> bool:
    """Tell whether tensors differ by rounding, all together: a slope that is 0 but for rounding may be any other."""
    gap = _length([mine.float() - plain.float() for mine, plain in zip(found, expected, strict=True)])
    return gap <= tolerance * _length(expected) + torch.finfo(torch.float32).tiny


def _length(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(each.double().square().sum() for each in tensors))


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
    """Put buffers back afterwards: to warm up and capture moves them."""
    kept = [buffer.clone() for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in zip(network.buffers(), kept, strict=True):
                buffer.copy_(before)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Hold Python's collector back: it may end a graph of before, which breaks one that is being captured."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
