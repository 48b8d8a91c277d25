"""One promise broken at a time, by a toy that keeps all the others."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from torch import nn

from ddbench.kit import rng
from ddbench.testing import toys
from ddbench.testing.conformance import (
    check_architecture,
)

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import (
        DatasetSpec,
    )

COUNTER = itertools.count(1)
Refuses = Callable[[Callable[[Any], None], Any, str], None]


class NarrowNet(toys.ToyNet):
    def build(self, data: DatasetSpec) -> nn.Module:
        return super().build(dataclasses.replace(data, num_classes=data.num_classes - 1))


class FrozenNet(toys.ToyNet):
    def build(self, data: DatasetSpec) -> nn.Module:
        model = super().build(data)
        model.requires_grad_(requires_grad=False)[-1].bias.requires_grad_()  # type: ignore[index]
        return nn.Sequential(model, Cut())


class Cut(nn.Module):
    def forward(self, logits: Tensor) -> Tensor:
        return logits.detach().requires_grad_()


class SeededNet(toys.ToyNet):
    def build(self, data: DatasetSpec) -> nn.Module:
        with rng.seeded(0):
            return super().build(data)


class RestlessNet(toys.ToyNet):
    def build(self, data: DatasetSpec) -> nn.Module:
        with rng.seeded(next(COUNTER)):
            return super().build(data)


class InfiniteNet(toys.ToyNet):
    def build(self, data: DatasetSpec) -> nn.Module:
        model = super().build(data)
        nn.init.constant_(model[-1].bias, float("inf"))  # type: ignore[index]
        return model


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (NarrowNet, r"gives logits of another shape than \(B, num_classes\)"),
        (InfiniteNet, "gives logits that are not finite"),
        (FrozenNet, "lets no gradient through to its weights"),
        (RestlessNet, "draws other weights from the same seed"),
        (SeededNet, "draws the same weights from every seed"),
    ],
)
def test_a_network_that_breaks_a_promise_is_told_which(broken: type, sentence: str, refuses: Refuses) -> None:
    refuses(check_architecture, broken(), sentence)
