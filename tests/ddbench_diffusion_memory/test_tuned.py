from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from ddbench.errors import UserError
from ddbench.testing.bench import Bench
from ddbench_diffusion_memory import transformer, tuned

if TYPE_CHECKING:
    from torch import Tensor


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    made = transformer.build(size=8, channels=1, width=16, heads=2, layers=2, patch_size=4)
    return made.eval().requires_grad_(requires_grad=False)


def seen(network: nn.Module) -> Tensor:
    noised = torch.linspace(-1, 1, 128).view(2, 1, 8, 8)
    with torch.no_grad():
        made: Tensor = network(noised, torch.tensor([3, 700]), torch.tensor([0, 5]), return_dict=False)[0]
    return made


def test_biases_and_class_embeddings_are_tuned_and_nothing_else(network: nn.Module) -> None:
    chosen = tuned.choose(copy.deepcopy(network), "bias", 8, 0)
    tables = {name for name in chosen if not name.endswith(".bias")}
    assert {name.rpartition(".class_embedder.")[2] for name in tables} == {"embedding_table.weight"}
    assert len(tables) == 2
    expected = {name for name, _ in network.named_parameters() if name.endswith("bias") or "class_embedder" in name}
    assert set(chosen) == expected


def test_all_is_all(network: nn.Module) -> None:
    assert set(tuned.choose(copy.deepcopy(network), "all", 8, 0)) == {name for name, _ in network.named_parameters()}


@pytest.mark.parametrize("which", ["bias", "lora", "all"])
def test_gradients_reach_what_is_tuned_alone(network: nn.Module, which: tuned.Tuned) -> None:
    made = copy.deepcopy(network)
    chosen = tuned.choose(made, which, 2, 0)
    assert {name for name, parameter in made.named_parameters() if parameter.requires_grad} == set(chosen)


@pytest.mark.parametrize("which", ["bias", "lora", "all"])
def test_a_fresh_network_with_the_returned_weights_does_what_the_tuned_one_does(
    network: nn.Module, which: tuned.Tuned
) -> None:
    made, fresh = copy.deepcopy(network), copy.deepcopy(network)
    chosen = tuned.choose(made, which, 2, 0)
    moved = {name: value.detach() + 0.05 for name, value in chosen.items()}
    tuned.load(made, moved)
    expected = seen(made)
    assert not torch.allclose(expected, seen(fresh), atol=1e-3)
    returned = tuned.weights(made, which, moved)
    assert returned.keys() <= dict(network.named_parameters()).keys()
    assert not any(value.requires_grad for value in returned.values())
    tuned.load(fresh, returned)
    assert torch.allclose(seen(fresh), expected, atol=1e-5)


def test_adapters_begin_as_nothing_and_come_from_the_seed(network: nn.Module) -> None:
    first, again, other = (copy.deepcopy(network) for _ in range(3))
    chosen = [tuned.choose(made, "lora", 2, seed) for made, seed in ((first, 1), (again, 1), (other, 2))]
    assert torch.equal(seen(first), seen(network))
    name = next(name for name in chosen[0] if "lora_A" in name)
    assert chosen[0][name].shape[0] == 2
    assert torch.equal(chosen[0][name], chosen[1][name])
    assert not torch.equal(chosen[0][name], chosen[2][name])


def test_a_network_without_such_weights_is_refused() -> None:
    with pytest.raises(UserError, match="tuned = bias: the generator's network has no such weights"):
        tuned.choose(nn.Linear(2, 2, bias=False), "bias", 8, 0)
    with pytest.raises(UserError, match="no attention that peft could adapt"):
        tuned.choose(Bench().generator().network, "lora", 8, 0)
