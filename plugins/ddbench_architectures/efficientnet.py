"""EfficientNet-B0.

Rule for small images: the stem has stride 1, and of the four strided stages the first ones lose their stride until the
last map is 2x2 (:data:`LAST_MAP`). At 32 pixels that is the CIFAR form of the papers, in which the stem alone changes;
at 64 pixels the last map is 4x4, at 16 and 8 pixels it is 2x2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import nn

from ddbench_architectures.fit import fit_stem, is_small, put, relaxed
from ddbench_architectures.stock import refuse, stock

if TYPE_CHECKING:
    from ddbench.types import CheckTask, DatasetSpec

LAST_MAP = 2
"""Height and width of the last map that the strides must leave: what the CIFAR form has at 32 pixels."""


@dataclass(frozen=True)
class EfficientNet:
    """EfficientNet-B0, torchvision's, its strides fitted to small images.

    Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML 2019), Table 1.
    The small form is that of DWA's CIFAR code: no head convolution, the classifier reads the 320 channels of the last
    stage; dropout 0.2, stochastic depth 0.2. (That code also holds 1,088 weights that it never uses.)

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
            refuse("efficientnet_b0", task.data, self.stem)

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes)."""
        if is_small(self.stem, data.image_size):
            return _small(data)
        return stock("efficientnet_b0", data, pretrained=self.pretrained)


def _small(data: DatasetSpec) -> nn.Module:
    model = stock("efficientnet_b0", data, pretrained=False)
    fit_stem(model, data.channels, small=True)
    strided = [module for module in model.modules() if isinstance(module, nn.Conv2d) and max(module.stride) > 1]
    for layer, stride in zip(strided, relaxed((2,) * len(strided), data.image_size, LAST_MAP), strict=True):
        layer.stride = (stride, stride)
    put(model, "features.8", nn.Identity())
    model.classifier = nn.Sequential(nn.Dropout(0.2, inplace=True), nn.Linear(320, data.num_classes))
    return model
