"""VGG-16 with batch norm.

Rule for small images: the three large fully connected layers become one, on the mean of the last map. Of the five
max-pools the first ones go until the last map has a pixel: all five stay from 17 pixels on, three at 8. At 32 pixels
that is the CIFAR form of the papers, last map 1x1; at 64 pixels the last map is 2x2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import nn

from ddbench_architectures.fit import is_small, relaxed
from ddbench_architectures.stock import refuse, stock

if TYPE_CHECKING:
    from ddbench.types import CheckTask, DatasetSpec

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions before each max-pool (Simonyan and Zisserman 2015, Table 1, column D)."""


@dataclass(frozen=True)
class VGG16:
    """VGG-16 with batch norm and one linear layer for small images, torchvision's vgg16_bn above 64 pixels.

    Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (ICLR 2015),
    Table 1, column D; batch norm and the single linear layer as in DWA's CIFAR code.

    Attributes:
        stem: ``small`` (one linear layer), ``imagenet`` (stock), or ``auto``: small at 64 pixels and less.
        pretrained: torchvision's default weights, of ImageNet-1K's 1000 classes; the ``pretrained`` teacher sets it.
    """

    version: ClassVar[int] = 1

    stem: Literal["auto", "small", "imagenet"] = "auto"
    pretrained: bool = False

    def check(self, task: CheckTask) -> None:
        """Refuse pretrained weights for data that they cannot score."""
        if self.pretrained:
            refuse("vgg16_bn", task.data, self.stem)

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes)."""
        if is_small(self.stem, data.image_size):
            return _small(data)
        return stock("vgg16_bn", data, pretrained=self.pretrained)


def _small(data: DatasetSpec) -> nn.Module:
    layers: list[nn.Module] = []
    inputs = data.channels
    for widths, stride in zip(STAGES, relaxed((2,) * len(STAGES), data.image_size, last_map=1), strict=True):
        for width in widths:
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            inputs = width
        if stride > 1:
            layers.append(nn.MaxPool2d(stride, ceil_mode=True))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, data.num_classes))
