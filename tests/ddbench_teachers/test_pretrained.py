from __future__ import annotations

from pathlib import Path

import torch

from ddbench.testing.toys import ToyDataset, ToyNet
from ddbench.types import Compute, Place, SqueezeTask
from ddbench_teachers.pretrained import Pretrained

PLACE = Place(Path(), Path())


def test_the_network_is_the_one_that_was_built_with_weights() -> None:
    toy, told = ToyDataset(), []
    data = toy.spec(PLACE)
    model = ToyNet().build(data)
    compute = Compute(torch.device("cpu"), "float32", 0, lambda done, total, **_: told.append((done, total)))
    task = SqueezeTask(data, toy.open("train", PLACE), toy.open("test", PLACE), lambda: model, compute)
    assert Pretrained.pretrained_weights
    assert Pretrained().squeeze(task) is model
    assert told == [(1, 1)]
