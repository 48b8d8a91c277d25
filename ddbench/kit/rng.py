"""Random numbers that derive from recorded seeds."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


def derive(seed: int, *names: str | int) -> int:
    """Return a seed in [0, 2**63) for one purpose, independent of the seeds for other purposes."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a CPU generator for one purpose. Draw on the CPU and move: CUDA's numbers depend on the device."""
    return torch.Generator().manual_seed(derive(seed, *names))


@contextmanager
def seeded(seed: int, *names: str | int) -> Iterator[None]:
    """Run a block, such as a network's initialisation, under torch's global random state set for one purpose.

    The state of before is restored afterwards, on the CPU and, once CUDA has started, on every device of it. It is not
    started here: that would take memory of every GPU, also in processes that compute elsewhere.
    """
    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    with torch.random.fork_rng(range(torch.cuda.device_count()) if started else ()):
        torch.manual_seed(derive(seed, *names))
        yield
