"""ShuffleNet: the first version, of two groups, for small images; the second at half width above.

The papers call both ShuffleNetV2; their CIFAR code holds the first version, their ImageNet-1K code torchvision's
``shufflenet_v2_x0_5``.

Rule for small images: the stem is 1x1 of stride 1, and of the three strided stages the first ones lose their stride
until the last map is 4x4 (:data:`LAST_MAP`), as it is in the CIFAR form at 32 pixels; at 64 pixels it is 8x8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import nn

from ddbench_architectures.fit import is_small, relaxed
from ddbench_architectures.layers import convolution
from ddbench_architectures.stock import refuse, stock

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import CheckTask, DatasetSpec

LAST_MAP = 4
"""Height and width of the last map that the strides must leave: what the CIFAR form has at 32 pixels."""

STEM = 24
STAGES = ((200, 4), (400, 8), (800, 4))
"""Channels and blocks of each stage (Zhang et al. 2018, Table 1, two groups)."""

GROUPS = 2


@dataclass(frozen=True)
class ShuffleNet:
    """ShuffleNet of two groups for small images, torchvision's shufflenet_v2_x0_5 above 64 pixels.

    Source: Zhang et al., "ShuffleNet" (CVPR 2018), Table 1, in the form of DWA's CIFAR code (1x1 stem, no max-pool);
    Ma et al., "ShuffleNet V2" (ECCV 2018) above.

    Attributes:
        stem: ``small`` (the first version), ``imagenet`` (the second), or ``auto``: small at 64 pixels and less.
        pretrained: torchvision's default weights, of ImageNet-1K's 1000 classes; the ``pretrained`` teacher sets it.
    """

    version: ClassVar[int] = 1

    stem: Literal["auto", "small", "imagenet"] = "auto"
    pretrained: bool = False

    def check(self, task: CheckTask) -> None:
        """Refuse pretrained weights for data that they cannot score."""
        if self.pretrained:
            refuse("shufflenet_v2_x0_5", task.data, self.stem)

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes)."""
        if is_small(self.stem, data.image_size):
            return _small(data)
        return stock("shufflenet_v2_x0_5", data, pretrained=self.pretrained)


class Unit(nn.Module):
    """Grouped 1x1, shuffle, depthwise 3x3, grouped 1x1; the first of a stage is joined to its pooled input."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, first: bool) -> None:
        super().__init__()
        added = outputs - inputs if first else outputs
        hidden = added // 4
        groups = 1 if inputs == STEM else GROUPS  # the stem has too few channels to divide
        self.body = nn.Sequential(
            *convolution(inputs, hidden, 1, groups=groups),
            nn.ReLU(inplace=True),
            nn.ChannelShuffle(groups),
            *convolution(hidden, hidden, 3, stride=stride, groups=hidden),
            nn.ReLU(inplace=True),
            *convolution(hidden, added, 1, groups=GROUPS),
        )
        self.pool = nn.AvgPool2d(3, stride, padding=1) if first else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        out: Tensor = self.body(x)
        return (out + x if self.pool is None else torch.cat([out, self.pool(x)], dim=1)).relu()


def _small(data: DatasetSpec) -> nn.Module:
    layers: list[nn.Module] = [*convolution(data.channels, STEM, 1), nn.ReLU(inplace=True)]
    inputs = STEM
    for (outputs, blocks), stride in zip(STAGES, relaxed((2, 2, 2), data.image_size, LAST_MAP), strict=True):
        layers.append(Unit(inputs, outputs, stride, first=True))
        layers.extend(Unit(outputs, outputs, 1, first=False) for _ in range(blocks - 1))
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, data.num_classes))
