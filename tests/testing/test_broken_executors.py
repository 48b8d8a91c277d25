"""One promise broken at a time, by an executor that keeps all the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch

from ddbench.testing.conformance import check_executor
from ddbench.types import Outcome

if TYPE_CHECKING:
    from ddbench.protocols import Frontier, Tell, Work
    from ddbench.types import Stage

Refuses = Callable[[Callable[[Any], None], Any, str], None]


@dataclass(frozen=True)
class Plain:
    """One stage after the other."""

    version: ClassVar[int] = 1
    threads: ClassVar[int] = 1

    def map(self, work: Work, frontier: Frontier, tell: Tell, device: str = "auto") -> Iterator[Outcome]:
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            while frontier:
                for stage in self.order(frontier):
                    yield from self.outcomes(work, stage, tell)
        finally:
            self.tidy(before)

    def order(self, frontier: Frontier) -> list[Stage]:
        return list(frontier.ready())

    def outcomes(self, work: Work, stage: Stage, tell: Tell) -> Iterator[Outcome]:
        yield work(stage, tell)

    def tidy(self, before: int) -> None:
        torch.set_num_threads(before)


class Hasty(Plain):
    def outcomes(self, work: Work, stage: Stage, tell: Tell) -> Iterator[Outcome]:
        yield Outcome(stage, "done", {"threads": 1})


class Threaded(Plain):
    threads: ClassVar[int] = 2


class Untidy(Plain):
    def tidy(self, before: int) -> None: ...


class Fragile(Plain):
    def outcomes(self, work: Work, stage: Stage, tell: Tell) -> Iterator[Outcome]:
        outcome = work(stage, tell)
        if outcome.status == "failed":
            raise RuntimeError(outcome.error)
        yield outcome


class Backward(Plain):
    """Runs what is ready as if its inputs came last."""

    def map(self, work: Work, frontier: Frontier, tell: Tell, device: str = "auto") -> Iterator[Outcome]:
        torch.set_num_threads(1)
        outcomes = []
        while frontier and (ready := self.order(frontier)):
            outcomes += [work(stage, tell) for stage in ready]
        torch.set_num_threads(2)
        yield from reversed(outcomes)


@pytest.fixture(autouse=True)
def threads_back() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_plain_executor_keeps_its_promises() -> None:
    check_executor(Plain())


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Hasty, "loses events: 'tell' must hear all, in this process"),
        (Threaded, r"lets torch compute on several threads: set_num_threads\(1\)"),
        (Backward, r"runs \['d', 'a'\] where a, b, c and d were to run"),
    ],
)
def test_a_broken_promise_is_named(refuses: Refuses, broken: type[Any], sentence: str) -> None:
    refuses(check_executor, broken(), sentence)


def test_an_executor_that_leaves_torchs_threads_as_it_set_them_is_told(refuses: Refuses) -> None:
    Untidy.__doc__ = Plain.__doc__
    with pytest.raises(AssertionError, match=r"^torch computes on another number of threads in this process"):
        check_executor(Untidy())


def test_an_executor_that_stops_at_a_failure_is_told() -> None:
    Fragile.__doc__ = Plain.__doc__
    with pytest.raises(RuntimeError, match="told to fail"):
        check_executor(Fragile())
