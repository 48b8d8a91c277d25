"""Which weights of a network are tuned, and what they are called when that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from ddbench.errors import UserError
from ddbench.kit import rng

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

Tuned = Literal["bias", "lora", "all"]

_PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0")  # of attention, as diffusers calls them


def choose(network: nn.Module, tuned: Tuned, rank: int, seed: int) -> dict[str, nn.Parameter]:
    """Let gradients reach the weights that are tuned, and no others; return those by name.

    ``bias`` is all biases and the embeddings of classes: what DiffFit (Xie et al., ICCV 2023) tunes, less its factors
    and the norms' weights, of which diffusers' transformer has none. ``lora`` (Hu et al., ICLR 2022) adds a product of
    two matrices of a rank to each projection of attention, in place: the seed draws one, the other begins at zero.

    Raises:
        UserError: the network has no such weights.
    """
    network.requires_grad_(requires_grad=tuned == "all")
    if tuned == "lora":
        _adapt(network, rank, seed)
    elif tuned == "bias":
        tables = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, nn.Embedding)}
        for name, parameter in network.named_parameters():
            parameter.requires_grad = name.endswith(".bias") or name in tables
    chosen = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    if not chosen:
        raise UserError(f"tuned = {tuned}: the generator's network has no such weights; take tuned=all")
    return chosen


def _adapt(network: nn.Module, rank: int, seed: int) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    modules = [name for name, _ in network.named_modules() if name.endswith(_PROJECTIONS)]
    if not modules:
        raise UserError("tuned = lora: the generator's network has no attention that peft could adapt; take tuned=all")
    with rng.seeded(seed, "lora"):
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=modules), network)


@torch.no_grad()
def weights(network: nn.Module, tuned: Tuned, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what has become of the network, by the names of before, on the CPU; adapters are added to their weights.

    Args:
        network: as ``choose`` left it; is used up.
        tuned: as given to ``choose``.
        values: of the weights that ``choose`` returned, by name.
    """
    if tuned != "lora":
        return {name: value.detach().cpu().clone() for name, value in values.items()}
    load(network, values)
    return {name: value.detach().cpu().clone() for name, value in _folded(network).items()}


def _folded(network: nn.Module) -> dict[str, Tensor]:
    from peft.tuners.lora import LoraLayer

    made = {}
    for name, module in network.named_modules():
        if isinstance(module, LoraLayer):
            module.merge()
            made[f"{name}.weight"] = module.get_base_layer().weight
    return made


@torch.no_grad()
def load(network: nn.Module, made: Mapping[str, Tensor]) -> None:
    """Give a network some weights by name, such as ``weights`` returned."""
    parameters = dict(network.named_parameters())
    for name, value in made.items():
        parameters[name].copy_(value)
