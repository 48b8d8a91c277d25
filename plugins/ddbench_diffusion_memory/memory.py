"""Memories of latents, class by class, and what leaves them when they are full (Li et al., ICIP 2025)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    Keep = Callable[[Tensor, int], Tensor]

Policy = Literal["self-adaptive", "fifo"]
Update = Literal["iteration", "epoch"]

_FIXED_POINT = 2.0**24  # a cosine in float32 has no finer steps from 1/2 upwards
_GONE = -(2**62)


def directions(latents: Tensor) -> Tensor:
    """Flatten latents (B, c, s, s) to vectors of length 1, float32 (B, c*s*s): their products are cosines."""
    return functional.normalize(latents.flatten(1).float(), dim=1)


@dataclass(frozen=True)
class Entries:
    """Latents of one class as a memory holds them, oldest first, without gradient.

    Attributes:
        directions: float32 (n, d), each of length 1.
        iterations: when each came, int64 (n,), from 0.
        timesteps: the step of the diffusion to which each was noised when it came, int64 (n,).
    """

    directions: Tensor
    iterations: Tensor
    timesteps: Tensor

    @classmethod
    def of(cls, latents: Tensor, iteration: int, timesteps: Tensor) -> Entries:
        """Return the entries of an iteration, of latents as ``directions`` gives them."""
        return cls(latents.detach(), torch.full_like(timesteps, iteration), timesteps)

    @classmethod
    def joined(cls, parts: Sequence[Entries]) -> Entries:
        """Return entries behind one another."""
        return cls(
            torch.cat([part.directions for part in parts]),
            torch.cat([part.iterations for part in parts]),
            torch.cat([part.timesteps for part in parts]),
        )

    def __getitem__(self, chosen: Tensor) -> Entries:
        """Return some of them."""
        return Entries(self.directions[chosen], self.iterations[chosen], self.timesteps[chosen])

    def __len__(self) -> int:
        """Return their number."""
        return len(self.directions)


def fifo(vectors: Tensor, size: int) -> Tensor:
    """Return which of the vectors (n, d) stay, the last ``size``: int64 (size,), ascending (Minimax, CVPR 2024)."""
    return torch.arange(len(vectors) - size, len(vectors), device=vectors.device)


def self_adaptive(vectors: Tensor, size: int) -> Tensor:
    """Return which of the vectors (n, d), of length 1, stay when those most like the rest go: int64 (size,), ascending.

    While there are too many, the one whose cosines with all others that are left have the greatest sum goes; of equal
    ones the first. What goes is taken off the sums, whose terms are whole numbers: they are then what a new count
    would give, to the last bit.
    """
    pairs = (vectors @ vectors.T).mul_(_FIXED_POINT).round_().long().triu_(1)
    cosines = pairs + pairs.T
    likeness = cosines.sum(1)
    for _ in range(len(vectors) - size):
        most = likeness.argmax(0, keepdim=True)  # of a plain number a GPU would have to tell the processor
        likeness -= cosines.index_select(1, most).squeeze(1)
        likeness.index_fill_(0, most, _GONE)
    gone = likeness < _GONE // 2
    return gone.byte().argsort(stable=True)[:size]


_POLICIES: Mapping[Policy, Keep] = {"fifo": fifo, "self-adaptive": self_adaptive}


class Memory:
    """Latents of every class, at most ``size`` of each; what one class does leaves the others as they are.

    Args:
        policy: what goes when there are too many: what is most like the rest, or the oldest.
        size: of the memory of one class, 1 or more.
        update: whether latents join, and others go, at once or at the end of the epoch, all together.
        device: where latents lie.
    """

    def __init__(self, policy: Policy, size: int, update: Update, device: torch.device) -> None:
        self._keep, self._size, self._update, self._device = _POLICIES[policy], size, update, device
        self._held: dict[int, Entries] = {}
        self._waiting: dict[int, list[Entries]] = {}

    def of(self, label: int) -> Entries | None:
        """Return what is held of a class, on the device, or None where that is nothing."""
        return self._held.get(label)

    def add(self, label: int, entries: Entries) -> None:
        """Add latents of a class."""
        if self._update == "epoch":
            self._waiting.setdefault(label, []).append(entries)
        else:
            self._hold(label, [entries])

    def end_epoch(self) -> None:
        """Let join what waited for the end of the epoch."""
        for label, parts in self._waiting.items():
            self._hold(label, parts)
        self._waiting.clear()

    def _hold(self, label: int, parts: Sequence[Entries]) -> None:
        known = self._held.get(label)
        entries = Entries.joined([known, *parts] if known else parts)
        full = len(entries) > self._size
        self._held[label] = entries[self._keep(entries.directions, self._size)] if full else entries

    def tensors(self) -> dict[str, Tensor]:
        """Return all entries, by class and oldest first, with ``classes`` int64 (n,) and ``waiting`` bool (n,).

        ``directions``, ``iterations`` and ``timesteps`` are those of :class:`Entries`. Empty while there is none.
        """
        parts = [(label, held, False) for label, held in sorted(self._held.items())]
        parts += [(label, part, True) for label, each in sorted(self._waiting.items()) for part in each]
        if not parts:
            return {}
        entries = Entries.joined([part for _, part, _ in parts])
        counts = torch.tensor([len(part) for _, part, _ in parts])
        return {
            **vars(entries),
            "classes": torch.tensor([label for label, _, _ in parts]).repeat_interleave(counts),
            "waiting": torch.tensor([waits for _, _, waits in parts]).repeat_interleave(counts),
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Hold what ``tensors`` returned."""
        self._held, self._waiting = {}, {}
        if not tensors:
            return
        classes, waiting = tensors["classes"], tensors["waiting"]
        fields = ("directions", "iterations", "timesteps")
        entries = Entries(*(tensors[name].to(self._device) for name in fields))
        for label in sorted(set(classes.tolist())):
            held, waits = ((classes == label) & (waiting == late) for late in (False, True))
            if held.any():
                self._held[label] = entries[held]
            if waits.any():
                self._waiting[label] = [entries[waits]]
