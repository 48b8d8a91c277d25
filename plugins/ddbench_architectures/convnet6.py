"""ConvNet-6, the shallow student of generative distillation.

Rule for small images: of the six blocks, each of which halves the map, as many as leave 2x2 pixels (:data:`LAST_MAP`):
six from 128 pixels on, five at 64, four at 32, three at 16, two at 8. Where a map has an odd side, the pool leaves out
its last row and column, as in the papers' network at 224 pixels, where 7 become 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Ge

from ddbench.errors import UserError
from ddbench_architectures.convnet import ConvNet

if TYPE_CHECKING:
    from torch import nn

    from ddbench.types import CheckTask, DatasetSpec

BLOCKS = 6
LAST_MAP = 2
"""Height and width of the last map that the pools must leave. Instance norm sees it before it is halved."""


@dataclass(frozen=True)
class ConvNet6:
    """ConvNet-6 with instance norm: six blocks of 3x3 convolution, norm, ReLU and 2x2 average pool, one linear layer.

    Source: Kim et al., "Dataset Condensation via Efficient Synthetic-Data Parameterization" (ICML 2022) and Gu et al.,
    "Efficient Dataset Distillation via Minimax Diffusion" (CVPR 2024), their code: the ConvNet of Zhao et al. (ICLR
    2021), two blocks deeper. Its norm is a group norm of one group a channel, with weight and bias. On images of less
    than 128 pixels it has fewer blocks.

    Attributes:
        width: channels of every block; 128 in the papers.
    """

    version: ClassVar[int] = 1

    width: Annotated[int, Ge(1)] = 128

    def check(self, task: CheckTask) -> None:
        """Refuse images that cannot be halved once.

        Raises:
            UserError: if they have one pixel.
        """
        size = task.data.image_size
        if size < 2:
            raise UserError(f"convnet6 cannot halve images of {size}x{size} pixels; take images of 2x2 at least")

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes)."""
        halvings = (data.image_size // LAST_MAP).bit_length() - 1
        return ConvNet(self.width, min(BLOCKS, max(1, halvings)), norm="instance").build(data)
