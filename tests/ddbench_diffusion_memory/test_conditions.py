from __future__ import annotations

import dataclasses

import pytest
import torch

from ddbench.errors import UserError
from ddbench.kit import rng
from ddbench.testing.bench import Bench
from ddbench_diffusion_memory import conditions


def test_a_class_is_told_by_its_label() -> None:
    assert conditions.of_classes(Bench().data, 1000, "ours").tolist() == [0, 1, 2]


def test_a_class_of_imagenet_is_told_by_its_place_there_to_a_network_of_all_its_classes() -> None:
    data = dataclasses.replace(Bench().data, imagenet_classes=(193, 182, 258))
    assert conditions.of_classes(data, 1000, "ours").tolist() == [193, 182, 258]
    assert conditions.of_classes(data, 3, "ours").tolist() == [0, 1, 2]


def test_more_classes_than_the_network_knows_are_one_line() -> None:
    with pytest.raises(UserError, match=r"^ours knows 2 classes, toy has 3: take another generator$"):
        conditions.of_classes(Bench().data, 2, "ours")


def test_a_class_is_dropped_with_the_probability_asked() -> None:
    told = torch.arange(40_000) % 10
    kept = conditions.dropped(told, 1000, 0.1, rng.generator(0)) != 1000
    assert kept.float().mean().item() == pytest.approx(0.9, abs=0.005)  # three deviations of 0.0015
    assert torch.equal(told[kept], conditions.dropped(told, 1000, 0.1, rng.generator(0))[kept])


@pytest.mark.parametrize(("share", "dropped"), [(0.0, 0), (1.0, 100)])
def test_none_or_all_classes_may_be_dropped(share: float, dropped: int) -> None:
    told = conditions.dropped(torch.zeros(100, dtype=torch.int64), 7, share, rng.generator(0))
    assert (told == 7).sum().item() == dropped


def test_dropping_draws_once_per_item() -> None:
    ours, theirs = rng.generator(0), rng.generator(0)
    conditions.dropped(torch.zeros(5, dtype=torch.int64), 7, 0.1, ours)
    torch.rand(5, generator=theirs)
    assert torch.equal(torch.rand(3, generator=ours), torch.rand(3, generator=theirs))
