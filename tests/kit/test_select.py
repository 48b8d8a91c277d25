from __future__ import annotations

import dataclasses

import pytest
import torch

from ddbench.errors import UserError
from ddbench.kit import select
from ddbench.types import CheckTask, DatasetSpec

LABELS = torch.tensor([2, 0, 1, 1, 0, 2, 2, 0, 1, 0, 2, 1, 1])  # four, five and four images
DATA = DatasetSpec("toy", "toy", 3, 8, 1, (0.5,), (0.5,), {"train": 13}, (4, 5, 4), "00", ("zero", "one", "two"))


def positions(index: int, seed: int = 0, classes: tuple[int, ...] = (0, 1, 2)) -> list[int]:
    found: list[int] = select.real_positions(LABELS, index, torch.tensor(classes), seed).tolist()
    return found


def test_each_index_takes_one_image_of_each_class_in_the_order_asked() -> None:
    for index in range(4):
        assert LABELS[positions(index)].tolist() == [0, 1, 2]
        assert LABELS[positions(index, classes=(2, 0))].tolist() == [2, 0]


def test_no_image_comes_twice_and_a_whole_class_can_be_used_up() -> None:
    taken = [place for index in range(4) for place in positions(index)]
    assert len(set(taken)) == len(taken)
    assert {place for place in taken if LABELS[place] == 0} == set((LABELS == 0).nonzero().flatten().tolist())


def test_an_index_depends_neither_on_other_indices_nor_on_other_classes() -> None:
    assert positions(2, classes=(1,)) == [positions(2)[1]]
    assert positions(2) == positions(2)


def test_the_order_derives_from_the_seed() -> None:
    assert [positions(index, seed=0) for index in range(4)] != [positions(index, seed=1) for index in range(4)]


@pytest.mark.parametrize("ipc", [1, 4])
def test_an_ipc_that_every_class_can_serve_passes(ipc: int) -> None:
    select.require_real_images(CheckTask(DATA, ipc))


def test_an_ipc_beyond_the_smallest_class_is_refused_with_its_name_and_size() -> None:
    data = dataclasses.replace(DATA, class_counts=(4, 5, 3))
    with pytest.raises(UserError, match=r"ipc 4 .*class 'two' of toy has \(3\).*ipc 3 or less"):
        select.require_real_images(CheckTask(data, 4))
