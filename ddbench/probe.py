"""Times networks for a moment and reckons their memory, so that thousands of passes can be told of beforehand."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddbench.footprint import Footprint, footprint
from ddbench.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import nn

    from ddbench.spec import Spec
    from ddbench.types import DatasetSpec, Passes

LARGE = 128  # pixels
_AT_ONCE = {"small": 8, "large": 2}  # images: on a processor time is linear in them, a GPU is asked the whole batch
_ROUNDS, _PATIENCE = 5, 0.5  # the most rounds, and seconds in which there may be more than one


@dataclass
class Probe:
    """Networks with random weights on one device, each built once and each kind of pass timed once."""

    device: torch.device
    _memory: dict[Any, Any] = field(default_factory=dict)

    def seconds(self, architecture: Spec, data: DatasetSpec, passes: Passes) -> float | None:
        """Return how long the passes take, by the best of a few of a few images, after one to warm up.

        None where a batch does not fit in the memory of the device.
        """
        name = ("seconds", *_name(architecture, data), passes.backward, passes.batch_size)
        seconds: float | None = self._once(name, lambda: self._seconds_an_image(architecture, data, passes))
        return None if seconds is None else passes.images * seconds

    def footprint(self, architecture: Spec, data: DatasetSpec, passes: Passes, precision: str) -> Footprint | None:
        """Return the memory that the passes take; None where the network cannot tell without computing."""
        count = min(passes.batch_size, passes.images)

        def reckoned() -> Footprint | None:
            try:
                return footprint(self._built(architecture, data), data, passes, precision)
            except Exception:  # noqa: BLE001 - whatever a network does that needs numbers, it is not known then
                return None

        name = ("footprint", *_name(architecture, data), passes.backward, count, precision)
        return self._once(name, reckoned)  # type: ignore[no-any-return]

    def weight_bytes(self, architecture: Spec, data: DatasetSpec) -> int:
        """Return the bytes of a network's weights and statistics."""
        return sum(value.nbytes for value in self._built(architecture, data).state_dict().values())

    def _once(self, name: Any, make: Callable[[], Any]) -> Any:
        if name not in self._memory:
            self._memory[name] = make()
        return self._memory[name]

    def _built(self, architecture: Spec, data: DatasetSpec) -> nn.Module:
        if "pretrained" in architecture.mapping():  # random weights take as long, and nothing is fetched
            architecture = architecture.with_params(pretrained=False)
        name = ("built", *_name(architecture, data))
        return self._once(name, lambda: registry().create("architecture", architecture).build(data))  # type: ignore[no-any-return]

    def _network(self, architecture: Spec, data: DatasetSpec) -> nn.Module:
        from ddbench.kit.device import place

        name = ("placed", *_name(architecture, data))
        return self._once(name, lambda: place(self._built(architecture, data), self.device))  # type: ignore[no-any-return]

    def _seconds_an_image(self, architecture: Spec, data: DatasetSpec, passes: Passes) -> float | None:
        import torch

        try:
            return self._timed(architecture, data, passes)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return None

    def _timed(self, architecture: Spec, data: DatasetSpec, passes: Passes) -> float:
        model = self._network(architecture, data)
        count = passes.batch_size
        if self.device.type == "cpu":
            count = min(count, _AT_ONCE["large" if data.image_size >= LARGE else "small"])
        count = max(2, count)  # batch norm cannot train on one
        first = _timed(model, data, passes.backward, count, self.device)
        rounds = min(_ROUNDS, max(1, int(_PATIENCE / first)))
        return min(_timed(model, data, passes.backward, count, self.device) for _ in range(rounds)) / count


def _name(architecture: Spec, data: DatasetSpec) -> tuple[Any, ...]:
    return architecture, data.fingerprint, data.image_size


def _timed(model: nn.Module, data: DatasetSpec, backward: str, count: int, device: torch.device) -> float:
    """Return the seconds of one pass of so many random images."""
    import torch

    from ddbench.kit.device import place_images

    model.train(backward == "weights").requires_grad_(requires_grad=backward == "weights")
    images = place_images(torch.randn(count, data.channels, data.image_size, data.image_size), device)
    images.requires_grad_(backward == "images")
    start = time.perf_counter()
    with torch.set_grad_enabled(backward != "nothing"):
        loss = model(images).float().logsumexp(1).sum()
        if backward != "nothing":
            loss.backward()
        loss.item()  # waits for the device
    model.zero_grad()
    return time.perf_counter() - start
