"""One promise broken at a time, by a toy that keeps all the others."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import torch

from ddbench.testing import toys
from ddbench.testing.conformance import check_generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ddbench.kit.diffusion import Diffusion
    from ddbench.types import LoadTask, PretrainTask

COUNTER = itertools.count(1)
Refuses = Callable[[Callable[[Any], None], Any, str], None]


class Restless(toys.ToyGenerator):
    def pretrain(self, task: PretrainTask) -> Mapping[str, Tensor]:
        return {name: value + next(COUNTER) for name, value in super().pretrain(task).items()}


class NanWeights(toys.ToyGenerator):
    def pretrain(self, task: PretrainTask) -> Mapping[str, Tensor]:
        return {name: value * float("nan") for name, value in super().pretrain(task).items()}


class Silent(toys.ToyGenerator):
    def pretrain(self, task: PretrainTask) -> Mapping[str, Tensor]:
        quiet = dataclasses.replace(task.compute, progress=lambda done, total, **numbers: None)
        return super().pretrain(dataclasses.replace(task, compute=quiet))


class Twisted(toys.ToyGenerator):
    def load(self, task: LoadTask) -> Diffusion:
        return self.twist(super().load(task))

    def twist(self, model: Diffusion) -> Diffusion:
        return model


class Training(Twisted):
    def twist(self, model: Diffusion) -> Diffusion:
        model.network.train()
        return model


class WrongShape(Twisted):
    def twist(self, model: Diffusion) -> Diffusion:
        return dataclasses.replace(model, latent_shape=(1, 4, 4))


class OneClass(Twisted):
    def twist(self, model: Diffusion) -> Diffusion:
        return dataclasses.replace(model, conditions=torch.zeros(1, dtype=torch.int64))


class Rising(Twisted):
    def twist(self, model: Diffusion) -> Diffusion:
        return dataclasses.replace(model, alphas_cumprod=model.alphas_cumprod.flip(0))


class Noisy(Twisted):
    def twist(self, model: Diffusion) -> Diffusion:
        model.network.register_forward_hook(lambda module, inputs, outputs: (outputs[0] + next(COUNTER),))
        return model


class OtherWeights(Twisted):
    def twist(self, model: Diffusion) -> Diffusion:
        next(model.network.parameters()).data.add_(next(COUNTER))
        return model


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Restless, "gives other weights for the same seed"),
        (NanWeights, "has weights that are not finite"),
        (Silent, "never calls compute.progress"),
        (Training, "loads a network that is not in eval mode"),
        (WrongShape, "encodes images as"),
        (OneClass, "does not say what its network is told for each class"),
        (Rising, "has an abar that does not fall between 1 and 0"),
        (Noisy, "estimates other noise when asked again"),
        (OtherWeights, "loads other weights a second time"),
    ],
)
def test_a_generator_that_breaks_a_promise_is_told_which(broken: type, sentence: str, refuses: Refuses) -> None:
    refuses(check_generator, broken(), sentence)
