"""What passes through a network take of a device's memory, told without computing them.

The network goes to torch's ``meta`` device, where tensors have shapes and no content, and autograd tells there what it
keeps for the way back. Not in it: what libraries take to compute, and what an allocator loses between tensors.
"""

from __future__ import annotations

import copy
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from ddbench.types import DatasetSpec, Passes

_TRAINED = 4  # times its weights a network in training takes: itself, gradients, and AdamW's two moments
_OPTIMISED = 4  # times itself a batch that is optimised takes: likewise, with Adam's


@dataclass(frozen=True)
class Footprint:
    """Bytes of memory that passes take.

    Attributes:
        fixed: whatever the size of a batch: weights, and where they are trained gradients and moments.
        batch: for a batch at once: its images, what is kept for the way back, and the two largest gradients there.
    """

    fixed: int
    batch: int


def footprint(model: nn.Module, data: DatasetSpec, passes: Passes, precision: str) -> Footprint:
    """Return what passes take on a device on which they are computed in a precision.

    Raises:
        Exception: whatever a network raises that cannot go to the meta device.
    """
    import torch

    trained = passes.backward == "weights"
    model = copy.deepcopy(model).to("meta").train(trained).requires_grad_(requires_grad=trained)
    shape = (max(2, min(passes.batch_size, passes.images)), data.channels, data.image_size, data.image_size)
    images = torch.empty(shape, device="meta", requires_grad=passes.backward == "images")
    kept = _Kept(torch)
    with kept.watching(model, passes.backward), torch.set_grad_enabled(passes.backward != "nothing"):
        model(images).float().logsumexp(1).sum()
    fixed = sum(value.nbytes for value in model.state_dict().values()) * (_TRAINED if trained else 1)
    activations = kept.nbytes // (2 if precision == "bfloat16" else 1)
    return Footprint(fixed, activations + images.nbytes * (_OPTIMISED if passes.backward == "images" else 1))


@dataclass
class _Kept:
    """Tensors that a pass keeps, each storage once."""

    torch: Any
    _sizes: dict[int, int] = field(default_factory=dict)
    _held: list[Any] = field(default_factory=list)  # so that no storage takes the place of another
    _outputs: list[int] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        """Bytes at the turn from forward to backward, with room for the two largest tensors that meet there."""
        return sum(self._sizes.values()) + sum(sorted(self._outputs)[-2:])

    def keep(self, tensor: Tensor) -> Tensor:
        """Count a tensor unless it is a weight or statistic, or counted already."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self._sizes:
            self._held.append(storage)
            self._sizes[storage._cdata] = storage.nbytes()
        return tensor

    @contextmanager
    def watching(self, model: nn.Module, backward: str) -> Iterator[None]:
        """Count what a network's passes keep inside a ``with`` block."""
        for value in (*model.parameters(), *model.buffers()):
            self.keep(value)
        self._sizes = dict.fromkeys(self._sizes, 0)
        layers = [layer for layer in model.modules() if not any(layer.children())]
        with ExitStack() as stack:
            for layer in layers:
                stack.callback(layer.register_forward_hook(self._passed).remove)
            if backward == "images":  # its statistics may be matched: their gradients need a layer's input
                for layer in filter(self._has_statistics, layers):
                    stack.callback(layer.register_forward_pre_hook(self._entered).remove)
            hooks = self.torch.autograd.graph.saved_tensors_hooks(self.keep, lambda kept: kept)
            stack.enter_context(hooks)
            yield

    def _has_statistics(self, layer: nn.Module) -> bool:
        return isinstance(layer, self.torch.nn.BatchNorm1d | self.torch.nn.BatchNorm2d)

    def _entered(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:  # noqa: ARG002 - torch's form
        self.keep(inputs[0])

    def _passed(self, layer: nn.Module, inputs: Any, output: Any) -> None:  # noqa: ARG002 - torch's form
        if isinstance(output, self.torch.Tensor):
            self._outputs.append(output.nbytes)
