"""One stage after the other, in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddbench.protocols import Frontier, Tell, Work
    from ddbench.types import Outcome


@dataclass(frozen=True)
class Serial:
    """One stage after the other, in this process: for debugging, and for one GPU.

    Torch computes on one thread, as in ``processes``: the number of threads changes the order of sums, and so the
    last bits of results, which must not depend on the executor.
    """

    version: ClassVar[int] = 1

    def map(self, work: Work, frontier: Frontier, tell: Tell, device: str = "auto") -> Iterator[Outcome]:  # noqa: ARG002 - one process needs no placing
        """Yield outcomes in the order of the plan."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            while frontier:
                for stage in frontier.ready():
                    yield work(stage, tell)
        finally:
            torch.set_num_threads(threads)
