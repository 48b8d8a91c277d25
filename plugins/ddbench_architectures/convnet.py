"""The ConvNet of the distillation literature.

Rule for its depth: log2 of the image's size, rounded, less 2, and at least 2. That gives the literature's depths: 3 at
28 and 32 pixels, 4 at 64, 5 at 128, 6 at 224 and 256. The last map is 4x4 at 16, 32, 64 and 128 pixels, 2x2 at 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge
from torch import nn

from ddbench.errors import UserError

if TYPE_CHECKING:
    from ddbench.types import CheckTask, DatasetSpec


@dataclass(frozen=True)
class ConvNet:
    """ConvNet-128: blocks of 3x3 convolution, norm, ReLU and 2x2 average pool, then one linear layer.

    Source: Gidaris and Komodakis (CVPR 2018), as Zhao et al., "Dataset Condensation with Gradient Matching" (ICLR 2021)
    brought it to distillation. Batch norm as in RDED, since a teacher's statistics are what SRe2L and DWA match.

    Attributes:
        width: channels of every block; 128 in the papers.
        depth: number of blocks; ``none`` for what fits the image, 3 at 32 pixels and one more at each doubling.
        norm: ``batch``, ``instance`` (one group a channel, as in Zhao et al.), or ``none``.
    """

    version: ClassVar[int] = 1

    width: Annotated[int, Ge(1)] = 128
    depth: Annotated[int, Ge(1)] | None = None
    norm: Literal["batch", "instance", "none"] = "batch"

    def check(self, task: CheckTask) -> None:
        """Refuse a depth at which nothing of the image is left.

        Raises:
            UserError: if the pools leave no pixel.
        """
        size = task.data.image_size
        if size >> self._depth(size) == 0:
            deepest = size.bit_length() - 1
            raise UserError(
                f"convnet: depth {self._depth(size)} leaves nothing of {size}x{size} pixels; at most {deepest}"
            )

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes)."""
        depth = self._depth(data.image_size)
        layers = [layer for index in range(depth) for layer in self._block(self.width if index else data.channels)]
        features = self.width * (data.image_size >> depth) ** 2
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, data.num_classes))

    def _depth(self, image_size: int) -> int:
        return max(2, round(log2(image_size)) - 2) if self.depth is None else self.depth

    def _block(self, inputs: int) -> tuple[nn.Module, ...]:
        norms = {
            "batch": nn.BatchNorm2d(self.width),
            "instance": nn.GroupNorm(self.width, self.width),
            "none": nn.Identity(),
        }
        return nn.Conv2d(inputs, self.width, 3, padding=1), norms[self.norm], nn.ReLU(inplace=True), nn.AvgPool2d(2)
