"""Counts what a stage asks of its teacher or generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class PassCounter:
    """Images that went forward and backward through the networks watched, each counted every time.

    The count is the cost of a method whatever the machine: two methods of equal counts on one network take equal
    time, if they are programmed equally well. A backward pass counts once, to the images or to the weights.
    """

    forward: int = 0
    backward: int = 0

    def watch(self, model: nn.Module) -> nn.Module:
        """Count the passes of a network from now on, its copies' too; returns it."""
        model.register_forward_hook(self._passed)
        return model

    def _passed(self, model: nn.Module, inputs: tuple[Any, ...], outputs: Any) -> None:  # noqa: ARG002 - torch's form
        count = len(inputs[0])
        self.forward += count

        def back(gradient: Tensor) -> None:  # noqa: ARG001 - torch's form
            self.backward += count

        made = outputs[0] if isinstance(outputs, tuple) else outputs
        if getattr(made, "requires_grad", False):
            made.register_hook(back)

    def __deepcopy__(self, memory: dict[int, Any]) -> PassCounter:
        """Return this counter itself: what a copy of the network does counts as well."""
        return self
