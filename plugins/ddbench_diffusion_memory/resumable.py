"""Training that goes on where a kill stopped it, to the same bits on the CPU."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from ddbench_diffusion_memory import sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from ddbench.types import Compute

    Step = Callable[[int], Mapping[str, Tensor | float]]

CHECKPOINT = "checkpoint.safetensors"
PATIENCE = 20  # times what a checkpoint took to write, until the next: of a large network it is gigabytes
READ_EVERY = {"cuda": 50}  # steps between two looks at the numbers: each look waits for the device


class Resumable(Protocol):
    """Something that a training changes."""

    def tensors(self) -> Mapping[str, Tensor]:
        """Return all that is needed to go on from here; no two may share memory."""
        ...

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Become what ``tensors`` was of; they are on the CPU and belong to the callee."""
        ...


def run(
    parts: Mapping[str, Resumable],
    steps: int,
    step: Step,
    compute: Compute,
    workspace: Path,
    seconds: float = 60.0,
) -> None:
    """Call ``step(i)`` for i = 0 .. steps - 1, less those that a killed call with the same workspace had done.

    A checkpoint that is damaged, or of other parts, steps or another seed, is dropped.

    Args:
        parts: all that the steps change, by name, as they are before the first step.
        steps: how many.
        step: one step; its random numbers are a function of (seed, i) alone. Returns numbers to watch, as floats or
            as tensors of one element; ``loss`` is one of them.
        compute: whose progress is told.
        workspace: the folder of the checkpoint.
        seconds: between two checkpoints, more where writing one takes long; 0 for one after each step.

    Raises:
        FloatingPointError: the loss is not finite. Such a state is never kept.
    """
    path, origin = workspace / CHECKPOINT, _origin(parts, steps, compute.seed)
    first = _restore(path, origin, parts)
    every = READ_EVERY.get(compute.device.type, 1)
    compute.progress(first, steps)
    kept, pause = time.monotonic(), seconds
    for i in range(first, steps):
        watched = step(i)
        now = time.monotonic()
        due = now - kept >= pause
        if due or (i + 1) % every == 0 or i + 1 == steps:
            compute.progress(i + 1, steps, **_finite(watched, i))
        if due:
            _keep(path, origin, parts, i + 1)
            kept = time.monotonic()
            pause = seconds and max(seconds, PATIENCE * (kept - now))


@dataclass(frozen=True)
class Weights:
    """Tensors that are changed in place, such as a network's parameters, by name."""

    live: Mapping[str, Tensor]

    def tensors(self) -> Mapping[str, Tensor]:
        """Return them."""
        return self.live

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy values into them."""
        for name, tensor in self.live.items():
            tensor.copy_(tensors[name])


@dataclass(frozen=True)
class OptimizerState:
    """What an optimiser remembers of its parameters; rates and decays are set by whoever makes it."""

    optimizer: torch.optim.Optimizer

    def tensors(self) -> Mapping[str, Tensor]:
        """Return moments and step counts, none before the first step."""
        state = self.optimizer.state_dict()["state"]
        return {f"{number}.{name}": tensor for number, kept in state.items() for name, tensor in kept.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over moments and step counts."""
        state: dict[int, dict[str, Tensor]] = {}
        for full, tensor in tensors.items():
            number, _, name = full.partition(".")
            state.setdefault(int(number), {})[name] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


@dataclass(frozen=True)
class Average:
    """Exponential moving average of weights.

    Where it is ``ramped``, the decay of update i, from 0, is min(decay, (1 + i) / (10 + i)), so that the random weights
    of the beginning are forgotten however short the training is. Weights that are tuned begin with good ones.
    """

    live: Mapping[str, Tensor]
    kept: Mapping[str, Tensor]
    decay: float
    ramped: bool = True

    @classmethod
    def of(cls, live: Mapping[str, Tensor], decay: float, *, ramped: bool = True) -> Average:
        """Return the average before the first update, a copy of the weights."""
        return cls(live, {name: tensor.detach().clone() for name, tensor in live.items()}, decay, ramped)

    @torch.no_grad()
    def update(self, i: int) -> None:
        """Move towards the weights after step i."""
        decay = min(self.decay, (1 + i) / (10 + i)) if self.ramped else self.decay
        torch._foreach_lerp_(list(self.kept.values()), list(self.live.values()), 1 - decay)

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the averages."""
        return self.kept

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy values into the averages."""
        Weights(self.kept).restore(tensors)


def _keep(path: Path, origin: str, parts: Mapping[str, Resumable], iteration: int) -> None:
    tensors = {f"{part}/{name}": tensor for part in parts for name, tensor in parts[part].tensors().items()}
    sealed.write(path, tensors, {"iteration": str(iteration), "origin": origin})


def _restore(path: Path, origin: str, parts: Mapping[str, Resumable]) -> int:
    """Return how many steps are done, and give every part its state of then."""
    found = sealed.read(path)
    if found is None or found[1].get("origin") != origin:
        path.unlink(missing_ok=True)
        return 0
    tensors, facts = found
    for part, resumable in parts.items():
        prefix = f"{part}/"
        resumable.restore({name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)})
    return int(facts["iteration"])


def _origin(parts: Mapping[str, Resumable], steps: int, seed: int) -> str:
    """Return a digest of what a training starts from, to tell its checkpoints from those of others."""
    shapes = [
        (part, name, str(tensor.dtype), tuple(tensor.shape))
        for part in sorted(parts)
        for name, tensor in sorted(parts[part].tensors().items())
    ]
    return hashlib.sha256(repr((shapes, steps, seed)).encode()).hexdigest()


def _finite(watched: Mapping[str, Tensor | float], i: int) -> dict[str, float]:
    numbers = {name: float(value) for name, value in watched.items()}
    if not math.isfinite(numbers["loss"]):
        raise FloatingPointError(f"the loss is {numbers['loss']} after step {i + 1}: lower the learning rate")
    return numbers
