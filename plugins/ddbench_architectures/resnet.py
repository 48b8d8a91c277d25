"""Residual networks, the field's usual teachers and students.

Rule for small images: the 7x7 stem of stride 2 becomes 3x3 of stride 1, and the max-pool goes, as SRe2L and DWA do for
CIFAR and Tiny-ImageNet (after He et al. 2020, "Momentum Contrast", CIFAR form). The strides of the stages stay at
every size, so the last map is an eighth of the image: 8x8 at 64 pixels, 4x4 at 32, 2x2 at 16, 1x1 at 8. Unlike the
depthwise networks these learn on maps of one pixel, and relaxed strides would multiply their cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ddbench_architectures.fit import fit_stem, is_small
from ddbench_architectures.stock import refuse, stock

if TYPE_CHECKING:
    from torch import nn

    from ddbench.types import CheckTask, DatasetSpec


@dataclass(frozen=True)
class ResNet18:
    """ResNet-18, torchvision's, its stem fitted to small images: the teacher of SRe2L and DWA.

    Source: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), Table 1.

    Attributes:
        stem: ``small`` (3x3, stride 1, no max-pool), ``imagenet`` (stock), or ``auto``: small at 64 pixels and less.
        pretrained: torchvision's default weights, of ImageNet-1K's 1000 classes; the ``pretrained`` teacher sets it.
    """

    version: ClassVar[int] = 1

    stem: Literal["auto", "small", "imagenet"] = "auto"
    pretrained: bool = False

    def check(self, task: CheckTask) -> None:
        """Refuse pretrained weights for data that they cannot score."""
        if self.pretrained:
            refuse("resnet18", task.data, self.stem)

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes)."""
        model = stock("resnet18", data, pretrained=self.pretrained)
        return fit_stem(model, data.channels, small=is_small(self.stem, data.image_size))


@dataclass(frozen=True)
class ResNet34:
    """ResNet-34, torchvision's, its stem fitted to small images.

    Source: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), Table 1.

    Attributes:
        stem: ``small`` (3x3, stride 1, no max-pool), ``imagenet`` (stock), or ``auto``: small at 64 pixels and less.
        pretrained: torchvision's default weights, of ImageNet-1K's 1000 classes; the ``pretrained`` teacher sets it.
    """

    version: ClassVar[int] = 1

    stem: Literal["auto", "small", "imagenet"] = "auto"
    pretrained: bool = False

    def check(self, task: CheckTask) -> None:
        """Refuse pretrained weights for data that they cannot score."""
        if self.pretrained:
            refuse("resnet34", task.data, self.stem)

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes)."""
        model = stock("resnet34", data, pretrained=self.pretrained)
        return fit_stem(model, data.channels, small=is_small(self.stem, data.image_size))


@dataclass(frozen=True)
class ResNet50:
    """ResNet-50, torchvision's, its stem fitted to small images.

    Source: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), Table 1.

    Attributes:
        stem: ``small`` (3x3, stride 1, no max-pool), ``imagenet`` (stock), or ``auto``: small at 64 pixels and less.
        pretrained: torchvision's default weights, of ImageNet-1K's 1000 classes; the ``pretrained`` teacher sets it.
    """

    version: ClassVar[int] = 1

    stem: Literal["auto", "small", "imagenet"] = "auto"
    pretrained: bool = False

    def check(self, task: CheckTask) -> None:
        """Refuse pretrained weights for data that they cannot score."""
        if self.pretrained:
            refuse("resnet50", task.data, self.stem)

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes)."""
        model = stock("resnet50", data, pretrained=self.pretrained)
        return fit_stem(model, data.channels, small=is_small(self.stem, data.image_size))


@dataclass(frozen=True)
class ResNet101:
    """ResNet-101, torchvision's, its stem fitted to small images.

    Source: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), Table 1.

    Attributes:
        stem: ``small`` (3x3, stride 1, no max-pool), ``imagenet`` (stock), or ``auto``: small at 64 pixels and less.
        pretrained: torchvision's default weights, of ImageNet-1K's 1000 classes; the ``pretrained`` teacher sets it.
    """

    version: ClassVar[int] = 1

    stem: Literal["auto", "small", "imagenet"] = "auto"
    pretrained: bool = False

    def check(self, task: CheckTask) -> None:
        """Refuse pretrained weights for data that they cannot score."""
        if self.pretrained:
            refuse("resnet101", task.data, self.stem)

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes)."""
        model = stock("resnet101", data, pretrained=self.pretrained)
        return fit_stem(model, data.channels, small=is_small(self.stem, data.image_size))
