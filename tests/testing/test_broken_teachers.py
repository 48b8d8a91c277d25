"""One promise broken at a time, by a toy that keeps all the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from torch import nn

from ddbench.testing import toys
from ddbench.testing.conformance import (
    check_teacher,
)

if TYPE_CHECKING:
    from ddbench.types import (
        SqueezeTask,
    )

COUNTER = itertools.count(1)
Refuses = Callable[[Callable[[Any], None], Any, str], None]


class RestlessTeacher(toys.ToyTeacher):
    def squeeze(self, task: SqueezeTask) -> nn.Module:
        model = super().squeeze(task)
        nn.init.constant_(model[-1].bias, next(COUNTER))  # type: ignore[index]
        return model


class NanTeacher(toys.ToyTeacher):
    def squeeze(self, task: SqueezeTask) -> nn.Module:
        model = super().squeeze(task)
        nn.init.constant_(model[-1].bias, float("nan"))  # type: ignore[index]
        return model


class OtherTeacher(toys.ToyTeacher):
    def squeeze(self, task: SqueezeTask) -> nn.Module:
        return nn.Sequential(super().squeeze(task), nn.Identity())


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (RestlessTeacher, "gives other weights for the same seed"),
        (NanTeacher, "has weights that are not finite"),
        (OtherTeacher, "has weights that do not fit the architecture it was handed"),
    ],
)
def test_a_teacher_that_breaks_a_promise_is_told_which(broken: type, sentence: str, refuses: Refuses) -> None:
    refuses(check_teacher, broken(), sentence)
