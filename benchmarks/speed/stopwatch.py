"""Seconds of the clock and of the processor: on a machine that others use too, the second travel better."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Spent:
    """Of the fastest of some repetitions."""

    seconds: float
    processor: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s ({self.processor:.2f} s)"


def spent(work: Callable[[], Any], repeats: int = 1) -> Spent:
    """Do something some times; returns the least seconds of each kind, of this process alone."""
    return min((_once(work) for _ in range(repeats)), key=lambda each: each.processor)


def _once(work: Callable[[], Any]) -> Spent:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - clock, time.process_time() - processor)
