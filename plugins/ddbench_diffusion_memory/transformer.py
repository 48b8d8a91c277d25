"""Diffusion transformers (DiT) as diffusers builds them.

Importing diffusers' model takes seconds, so that it happens inside functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

CLASSES = 1000
"""Classes that a network of ours knows; what comes after them stands for no class, as in diffusers' DiTPipeline."""


def build(*, size: int, channels: int, width: int, heads: int, layers: int, patch_size: int) -> nn.Module:
    """Return a network with random weights from torch's global state; it estimates eps alone, no variance.

    Source: Peebles and Xie, "Scalable Diffusion Models with Transformers" (ICCV 2023), adaLN blocks, initialised as
    diffusers does it: not to zero.

    Args:
        size: height and width of what is diffused.
        channels: of it.
        width: numbers per token, a multiple of 4 and of ``heads``.
        heads: of attention.
        layers: blocks.
        patch_size: side of a token in pixels; divides ``size``.
    """
    from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

    network = DiTTransformer2DModel(
        num_attention_heads=heads,
        attention_head_dim=width // heads,
        in_channels=channels,
        out_channels=channels,
        num_layers=layers,
        sample_size=size,
        patch_size=patch_size,
        num_embeds_ada_norm=CLASSES,
    )
    return without_label_dropout(network)


def without_label_dropout(network: nn.Module) -> nn.Module:
    """Stop a network from dropping classes by itself, in training mode too; returns it.

    Each block of diffusers' network would draw for itself, so that hardly an item of a deep network were without a
    class in all blocks. The probability is not among what diffusers saves, and is back after loading.
    """
    for module in network.modules():
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0  # type: ignore[assignment]  # not a tensor, whatever torch's annotation says
    return network
