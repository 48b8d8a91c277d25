from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ddbench.errors import UserError
from ddbench.holdout import EVERY, held_out, parts
from ddbench.testing.toys import ToyDataset
from ddbench.types import Place

DATA = ToyDataset().spec(Place(Path(), Path()))


def test_every_tenth_image_of_each_class_is_held_out_in_the_order_of_the_split() -> None:
    labels = torch.tensor([0, 1] * 25 + [1])
    left, held = parts(labels, 10)
    assert held.tolist() == [18, 19, 38, 39]  # the 10th and 20th of each class
    assert sorted([*left.tolist(), *held.tolist()]) == list(range(51))
    assert left.tolist() == sorted(left.tolist())


def test_what_is_left_is_described_with_its_own_counts_and_fingerprint() -> None:
    data = held_out(DATA, EVERY)
    assert (data.class_counts, data.sizes) == ((18, 18, 18), {"train": 54, "test": 30})
    assert data.fingerprint != DATA.fingerprint
    assert data.holdout == EVERY
    assert (data.mean, data.name) == (DATA.mean, DATA.name)


def test_the_description_counts_what_the_parts_hold() -> None:
    labels = ToyDataset().open("train", Place(Path(), Path())).labels
    for every in (3, 7, 10, 20):
        left, _ = parts(labels, every)
        assert tuple(labels[left].bincount().tolist()) == held_out(DATA, every).class_counts


def test_nothing_held_out_is_the_data_itself() -> None:
    assert held_out(DATA, 0) is DATA


def test_a_class_with_too_few_images_is_refused_by_name() -> None:
    scarce = ToyDataset(classes=3).spec(Place(Path(), Path()))
    with pytest.raises(
        UserError, match=r"one in 21 training images .* class 'stripes 0' of toy has 20: take --select last"
    ):
        held_out(scarce, 21)
