"""One promise broken at a time, by a reporter that keeps all the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from ddbench.testing.conformance import check_reporter

if TYPE_CHECKING:
    from ddbench.types import RenderTask

COUNTER = itertools.count()
Refuses = Callable[[Callable[[Any], None], Any, str], None]


@dataclass(frozen=True)
class Plain:
    """Every row as it is."""

    version: ClassVar[int] = 1

    def render(self, task: RenderTask) -> str:
        return str(task.frame.to_csv())


class Wordless(Plain):
    def render(self, task: RenderTask) -> str:
        return ""


class Restless(Plain):
    def render(self, task: RenderTask) -> str:
        return super().render(task) + str(next(COUNTER))


class Rounding(Plain):
    def render(self, task: RenderTask) -> str:
        task.frame["top1"] = task.frame["top1"].round()
        return super().render(task)


class Anonymous(Plain):
    def render(self, task: RenderTask) -> str:
        return f"{len(task.frame)} trials"


def test_a_plain_reporter_keeps_its_promises() -> None:
    check_reporter(Plain())


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Wordless, "returns no text"),
        (Restless, "returns another text for the same frame"),
        (Rounding, "changes the frame it was handed"),
        (Anonymous, "shows nothing of 'toy-synth'"),
    ],
)
def test_a_broken_promise_is_named(refuses: Refuses, broken: type[Any], sentence: str) -> None:
    refuses(check_reporter, broken(), sentence)


class Hopeful(Plain):
    def render(self, task: RenderTask) -> str:
        return f"{task.frame['synthesizer'].tolist()} {int(task.frame['top1'].mean())}"


def test_a_reporter_that_counts_on_a_number_is_told() -> None:
    Hopeful.__doc__ = Plain.__doc__
    with pytest.raises(ValueError, match="cannot convert float NaN to integer"):
        check_reporter(Hopeful())
