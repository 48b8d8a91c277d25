"""How a network is fitted to small images: the rules that the families share.

A stock network halves its input five times and expects some 224 pixels. Up to :data:`SMALL` pixels each family has a
small form; which strides it drops follows from the image's size alone, by :func:`relaxed`.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL = 64
"""Images of so many pixels and less get the small form, as CIFAR's 32 and Tiny-ImageNet's 64 do in the papers."""

DEEP_STEM = 3
"""The most convolutions that a stem has before its max-pool (the stem of He et al. 2019, "Bag of Tricks")."""


def is_small(stem: str, image_size: int) -> bool:
    """Tell whether a network takes its small form: ``stem`` is ``auto``, ``small`` or ``imagenet``."""
    return stem == "small" or (stem == "auto" and image_size <= SMALL)


def relaxed(strides: Sequence[int], image_size: int, last_map: int) -> tuple[int, ...]:
    """Return the strides, the first of them turned into 1 until the last map is large enough.

    The first, because that is what the CIFAR forms of these networks do. Layers are taken to round up, as a 3x3
    kernel with padding 1 does: n pixels become ceil(n / stride).

    Args:
        strides: of the network's strided layers, in order.
        image_size: height and width of the images in pixels.
        last_map: least height and width of the map after the last stride; only an image smaller than that stays below.
    """
    for count in range(len(strides)):
        kept = (1,) * count + tuple(strides[count:])
        if -(-image_size // prod(kept)) >= last_map:
            return kept
    return (1,) * len(strides)


def fit_stem(model: nn.Module, channels: int, *, small: bool) -> nn.Module:
    """Fit the first layers of any convolutional network, in place, and return it.

    A first convolution with another number of input channels is made anew. In the small form a strided first
    convolution becomes 3x3 of stride 1, and the max-pool that ends the stem, if there is one, goes. A network whose
    first convolution has stride 1 has no stem to fit. New layers have PyTorch's default initialisation, as in the
    papers' scripts, which replace them by assignment.
    """
    name, first = next((name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d))
    small = small and max(first.stride) > 1
    if small:
        _drop_stem_pool(model)
    if small or first.in_channels != channels:
        put(model, name, _first_convolution(first, channels, small=small))
    return model


def put(model: nn.Module, name: str, module: nn.Module) -> None:
    """Replace the submodule at a dotted path, in place."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def _first_convolution(old: nn.Conv2d, channels: int, *, small: bool) -> nn.Conv2d:
    biased = old.bias is not None
    if small:
        return nn.Conv2d(channels, old.out_channels, 3, padding=1, bias=biased)
    new = nn.Conv2d(channels, old.out_channels, old.kernel_size, old.stride, bias=biased)  # type: ignore[arg-type] # stored as a tuple of any length
    new.padding = old.padding
    return new


def _drop_stem_pool(model: nn.Module) -> None:
    convolutions = 0
    for name, module in model.named_modules():
        convolutions += isinstance(module, nn.Conv2d)
        if convolutions > DEEP_STEM:
            return
        if isinstance(module, nn.MaxPool2d):
            put(model, name, nn.Identity())
            return
