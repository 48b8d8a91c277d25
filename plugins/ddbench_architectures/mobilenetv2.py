"""MobileNetV2, the field's light student.

Rule for small images: the stem has stride 1, and of the four strided stages the first ones lose their stride until the
last map is 4x4 (:data:`LAST_MAP`). At 32 pixels that is the CIFAR form of the papers, stem and second stage at stride
1; at 64 pixels the stem alone changes. The size matters: on a map of one pixel a depthwise kernel sees nothing but
padding, and batch norm has no more samples than the batch has images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import nn

from ddbench_architectures.fit import fit_stem, is_small, put, relaxed
from ddbench_architectures.layers import convolution
from ddbench_architectures.stock import refuse, stock

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import CheckTask, DatasetSpec

LAST_MAP = 4
"""Height and width of the last map that the strides must leave: what the CIFAR form has at 32 pixels."""

STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
"""Expansion, channels and blocks of each stage (Sandler et al. 2018, Table 2)."""

STRIDED = (1, 2, 3, 5)
"""The stages that begin with a stride of 2 (ibid.)."""


@dataclass(frozen=True)
class MobileNetV2:
    """MobileNetV2 of width 1.0, its strides fitted to small images; torchvision's above 64 pixels.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018), Table 2. The small
    form is that of DWA's CIFAR code: ReLU, no dropout, and a 1x1 shortcut where a block of stride 1 changes the width.

    Attributes:
        stem: ``small`` (strides fitted to the image), ``imagenet`` (stock), or ``auto``: small at 64 pixels and less.
        pretrained: torchvision's default weights, of ImageNet-1K's 1000 classes; the ``pretrained`` teacher sets it.
    """

    version: ClassVar[int] = 1

    stem: Literal["auto", "small", "imagenet"] = "auto"
    pretrained: bool = False

    def check(self, task: CheckTask) -> None:
        """Refuse pretrained weights for data that they cannot score."""
        if self.pretrained:
            refuse("mobilenet_v2", task.data, self.stem)

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes)."""
        if is_small(self.stem, data.image_size):
            return _small(data)
        return stock("mobilenet_v2", data, pretrained=self.pretrained)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to the input, or to its 1x1 projection, where the stride is 1."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, expand_ratio: int, **_: Any) -> None:
        super().__init__()
        hidden = inputs * expand_ratio
        self.body = nn.Sequential(
            *convolution(inputs, hidden, 1),
            nn.ReLU(inplace=True),
            *convolution(hidden, hidden, 3, stride=stride, groups=hidden),
            nn.ReLU(inplace=True),
            *convolution(hidden, outputs, 1),
        )
        self.residual = stride == 1
        project = self.residual and inputs != outputs
        self.shortcut = nn.Sequential(*convolution(inputs, outputs, 1)) if project else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        out: Tensor = self.body(x)
        return out + self.shortcut(x) if self.residual else out


def _small(data: DatasetSpec) -> nn.Module:
    from torchvision.models import MobileNetV2 as Stock

    strides = dict(zip(STRIDED, relaxed((2,) * len(STRIDED), data.image_size, LAST_MAP), strict=True))
    model: nn.Module = Stock(
        num_classes=data.num_classes,
        inverted_residual_setting=[[*stage, strides.get(index, 1)] for index, stage in enumerate(STAGES)],
        block=InvertedResidual,
        dropout=0.0,
    )
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.ReLU6):
            put(model, name, nn.ReLU(inplace=True))
    return fit_stem(model, data.channels, small=True)
