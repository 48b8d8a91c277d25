from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from ddbench_diffusion_memory.memory import Entries, Memory, directions, fifo, self_adaptive

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench_diffusion_memory.memory import Policy, Update

CPU = torch.device("cpu")


def memory(policy: Policy = "fifo", size: int = 4, update: Update = "iteration") -> Memory:
    return Memory(policy, size, update, CPU)


def entries(latents: Tensor, iteration: int = 0, timesteps: Tensor | None = None) -> Entries:
    times = torch.zeros(len(latents), dtype=torch.int64) if timesteps is None else timesteps
    return Entries.of(directions(latents), iteration, times)


def noise(count: int, seed: int, width: int = 3) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)).view(count, 1, 1, width)


def stream(made: Memory, batches: int, count: int = 3, label: int = 0) -> None:
    for iteration in range(batches):
        made.add(label, entries(noise(count, iteration), iteration, torch.arange(count) + 10 * iteration))


def held(made: Memory, label: int = 0) -> Entries:
    found = made.of(label)
    assert found is not None
    return found


def recomputed(latents: np.ndarray, size: int) -> list[int]:
    """Drop one at a time, with a new similarity matrix of what is left each time, in float64."""
    left = list(range(len(latents)))
    while len(left) > size:
        chosen = latents[left]
        lengths = np.sqrt((chosen * chosen).sum(1))
        similarity = chosen @ chosen.T / np.outer(lengths, lengths)
        left.pop(int(np.argmax(similarity.sum(0).round(12))))  # two sums that are equal may differ in the last bit
    return left


@pytest.mark.parametrize("policy", ["fifo", "self-adaptive"])
@pytest.mark.parametrize("size", [1, 4, 64])
def test_a_memory_never_holds_more_than_its_size(policy: Policy, size: int) -> None:
    made = memory(policy, size)
    for iteration in range(30):
        made.add(0, entries(noise(1 + iteration % 7, iteration), iteration))
        assert len(held(made)) <= size
    assert len(held(made)) == size


def test_fifo_holds_the_last_in_the_order_in_which_they_came() -> None:
    made = memory(size=4)
    stream(made, batches=5)
    came = torch.cat([directions(noise(3, iteration)) for iteration in range(5)])
    assert torch.equal(held(made).directions, came[-4:])
    assert held(made).iterations.tolist() == [3, 4, 4, 4]
    assert held(made).timesteps.tolist() == [32, 40, 41, 42]


@pytest.mark.parametrize(("count", "size"), [(2, 1), (12, 9), (90, 64), (120, 20)])
def test_taking_off_sums_drops_what_new_sums_would_drop(count: int, size: int) -> None:
    for seed in range(3):
        latents = noise(count, seed, width=16).double()
        kept = self_adaptive(directions(latents), size).tolist()
        assert kept == recomputed(latents.flatten(1).numpy(), size)


def test_a_memory_that_lives_on_equals_recomputation_batch_by_batch() -> None:
    made, left = memory("self-adaptive", 10), np.zeros((0, 5))
    for iteration in range(40):
        latents = noise(4, iteration, width=5)
        made.add(0, entries(latents, iteration))
        left = np.concatenate((left, latents.flatten(1).double().numpy()))
        left = left[recomputed(left, 10)]
    assert torch.allclose(held(made).directions, directions(torch.from_numpy(left)), atol=1e-6)


def test_what_is_most_like_the_rest_goes_even_if_it_is_new() -> None:
    made = memory("self-adaptive", 3)
    made.add(0, entries(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])))
    made.add(0, entries(torch.tensor([[1.0, 1, 1]]), iteration=1))
    assert held(made).iterations.tolist() == [0, 0, 0]


def test_of_equal_ones_the_first_goes() -> None:
    vectors = torch.eye(4)[[0, 1, 2, 3]]
    assert self_adaptive(vectors, 3).tolist() == [1, 2, 3]
    twins = torch.tensor([[0.0, 1], [1, 0], [1, 0], [0, 1], [1, 0]])
    assert self_adaptive(twins, 4).tolist() == [0, 2, 3, 4]
    assert self_adaptive(twins, 2).tolist() == [3, 4]  # of three alike one goes, then of two pairs the first of each


@pytest.mark.parametrize("policy", [fifo, self_adaptive])
def test_the_lengths_of_latents_change_nothing(policy: object) -> None:
    latents = noise(30, 1)
    factors = torch.logspace(-3, 3, 30).view(-1, 1, 1, 1)
    assert callable(policy)
    assert torch.equal(policy(directions(latents), 12), policy(directions(latents * factors), 12))


def test_a_self_adaptive_memory_is_less_alike_than_the_last_that_came() -> None:
    made = {policy: memory(policy, 8) for policy in ("fifo", "self-adaptive")}
    likeness = {}
    for policy, each in made.items():
        stream(each, batches=40)
        vectors = held(each).directions
        likeness[policy] = float((vectors @ vectors.T).mean())
    assert likeness["self-adaptive"] < likeness["fifo"]


@pytest.mark.parametrize("policy", ["fifo", "self-adaptive"])
def test_classes_never_mix(policy: Policy) -> None:
    alone, among = memory(policy), memory(policy)
    for iteration in range(6):
        alone.add(2, entries(noise(3, iteration)))
        among.add(2, entries(noise(3, iteration)))
        among.add(5, entries(noise(2, 100 + iteration)))
    assert torch.equal(held(alone, 2).directions, held(among, 2).directions)
    assert among.of(0) is None


def test_entries_carry_no_gradient() -> None:
    made = memory("self-adaptive", 2)
    made.add(0, entries(noise(3, 0).requires_grad_()))
    assert not held(made).directions.requires_grad


def test_a_zero_latent_has_no_direction_and_breaks_nothing() -> None:
    kept = self_adaptive(directions(torch.cat((torch.zeros(1, 1, 1, 3), noise(4, 0).abs()))), 2)
    assert 0 in kept  # its cosines are 0, all others are positive


def test_at_the_end_of_an_epoch_all_join_at_once() -> None:
    late, size = memory("self-adaptive", 6, update="epoch"), 6
    stream(late, batches=7)
    assert late.of(0) is None
    late.end_epoch()
    came = torch.cat([noise(3, iteration) for iteration in range(7)])
    kept = recomputed(came.flatten(1).double().numpy(), size)
    assert torch.equal(held(late).directions, directions(came)[kept])
    assert held(late).iterations.tolist() == [at // 3 for at in kept]
    before = held(late).directions
    late.add(0, entries(noise(3, 50)))
    assert torch.equal(held(late).directions, before)


@pytest.mark.parametrize("policy", ["fifo", "self-adaptive"])
@pytest.mark.parametrize("update", ["iteration", "epoch"])
def test_a_restored_memory_goes_on_as_if_nothing_had_happened(policy: Policy, update: Update) -> None:
    def live(made: Memory, first: int, last: int) -> None:
        for iteration in range(first, last):
            for label in (3, 1):
                made.add(label, entries(noise(2, 10 * label + iteration), iteration))
            if iteration % 4 == 3:
                made.end_epoch()

    undisturbed, killed, resumed = (memory(policy, 5, update) for _ in range(3))
    live(undisturbed, 0, 12)
    live(killed, 0, 6)
    resumed.restore({name: tensor.clone() for name, tensor in killed.tensors().items()})
    live(resumed, 6, 12)
    expected, found = undisturbed.tensors(), resumed.tensors()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_an_empty_memory_has_no_tensors_and_can_be_restored() -> None:
    made = memory()
    assert made.tensors() == {}
    made.restore({})
    assert made.of(0) is None
