from __future__ import annotations

import copy

import torch
from torch import nn

from ddbench.passes import PassCounter


def test_every_image_counts_each_time_it_passes() -> None:
    counter = PassCounter()
    model = counter.watch(nn.Linear(3, 2))
    for _ in range(2):
        model(torch.zeros(5, 3)).sum().backward()
    with torch.no_grad():
        model(torch.zeros(7, 3))
    assert (counter.forward, counter.backward) == (17, 10)


def test_a_pass_back_to_frozen_weights_counts_where_the_images_ask_for_it() -> None:
    counter = PassCounter()
    model = counter.watch(nn.Linear(3, 2).requires_grad_(requires_grad=False))
    model(torch.zeros(5, 3))
    model(torch.zeros(4, 3, requires_grad=True)).sum().backward()
    assert (counter.forward, counter.backward) == (9, 4)


def test_the_first_of_several_answers_is_the_one_whose_gradients_count() -> None:
    class Pair(nn.Module):
        def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, str]:
            return inputs * 2, "two"

    counter = PassCounter()
    model = counter.watch(Pair())
    model(torch.zeros(5, 3, requires_grad=True))[0].sum().backward()
    assert (counter.forward, counter.backward) == (5, 5)


def test_copies_count_in_the_same_place() -> None:
    counter = PassCounter()
    copy.deepcopy(counter.watch(nn.Linear(3, 2)))(torch.zeros(5, 3))
    assert counter.forward == 5
