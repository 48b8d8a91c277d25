"""Teachers with published weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ddbench.kit import device

if TYPE_CHECKING:
    from torch import nn

    from ddbench.types import SqueezeTask


@dataclass(frozen=True)
class Pretrained:
    """Take an architecture with the weights that timm or torchvision publish for it.

    The squeeze of SRe2L (Yin et al., NeurIPS 2023) and DWA (Du et al., NeurIPS 2024) on ImageNet-1K: torchvision's
    ResNet-18, 69.76 % top-1. The classes must be those of the data set, in its order.

    Attributes:
        architecture: what to build, with weights.
    """

    version: ClassVar[int] = 1
    pretrained_weights: ClassVar[bool] = True

    architecture: str = "resnet18"

    def squeeze(self, task: SqueezeTask) -> nn.Module:
        """Return the network as it was built: its weights are published ones."""
        model = device.place(task.build(), task.compute.device).eval()
        task.compute.progress(1, 1)
        return model
