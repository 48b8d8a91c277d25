from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from ddbench.errors import UserError
from ddbench.types import CheckTask
from ddbench_baselines.real import Random

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ddbench.types import DatasetSpec, SynthesisTask


def images_of(task: SynthesisTask) -> Tensor:
    return torch.cat([batch.images for batch in Random().synthesize(task)])


def test_each_index_gives_one_real_image_of_every_class(make_task: Callable[..., SynthesisTask]) -> None:
    task = make_task(0, 1, 2)
    batches = list(Random().synthesize(task))
    read = torch.tensor(task.train.read)  # type: ignore[attr-defined] # the toy notes it
    assert [batch.labels.tolist() for batch in batches] == [[0, 1, 2, 3]] * 3
    assert task.train.labels[read].tolist() == [0, 1, 2, 3] * 3
    assert torch.equal(torch.cat([batch.images for batch in batches]), task.train.images(read))


def test_no_image_comes_twice(make_task: Callable[..., SynthesisTask]) -> None:
    task = make_task(*range(6))
    images_of(task)
    assert sorted(task.train.read) == list(range(24))  # type: ignore[attr-defined] # the toy notes it


def test_a_small_ipc_is_the_beginning_of_a_large_one(make_task: Callable[..., SynthesisTask]) -> None:
    assert torch.equal(images_of(make_task(0, 1, 2))[8:], images_of(make_task(2, stage_seed=99)))


def test_another_synthesis_seed_gives_other_images(make_task: Callable[..., SynthesisTask]) -> None:
    assert not torch.equal(images_of(make_task(0, 1)), images_of(make_task(0, 1, seed=1)))


def test_an_ipc_beyond_the_smallest_class_is_refused(data: DatasetSpec) -> None:
    Random().check(CheckTask(data, 6))
    with pytest.raises(UserError, match="ipc 7"):
        Random().check(CheckTask(data, 7))
