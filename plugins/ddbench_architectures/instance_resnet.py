"""Residual networks with instance norm, the students of generative distillation.

Rule for small images: up to 64 pixels the 7x7 stem becomes 3x3 of stride 1 and its pool goes, as for the other
residual networks; and of the three stages that halve the map the first ones do not, until the last map is 2x2
(:data:`LAST_MAP`). That map is 8x8 at 64 pixels, 4x4 at 32, 2x2 at 16 and 8: on a single pixel instance norm gives
zero whatever it is, and the network would be blind. An odd side is halved to the larger half, its last average being
over the pixels that there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge
from torch import nn

from ddbench.errors import UserError
from ddbench_architectures.fit import is_small, relaxed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from ddbench.types import CheckTask, DatasetSpec

LAST_MAP = 2
"""Height and width of the last map that the stages must leave."""

STAGES = (1, 2, 4, 8)
"""Channels of each stage, in widths (He et al. 2016, Table 1)."""

HALVINGS = (2, 2, 2)
"""By how much the stages after the first shrink the map."""

STEM = 4
"""By how much the stem does, on large images."""


@dataclass(frozen=True)
class ResNetAP10:
    """ResNetAP-10 with instance norm: four stages of one basic block, with average pools in place of strides.

    Source: Kim et al., "Dataset Condensation via Efficient Synthetic-Data Parameterization" (ICML 2022) and Gu et al.,
    "Efficient Dataset Distillation via Minimax Diffusion" (CVPR 2024), their code. The stem is a 7x7 convolution of
    stride 1 and a 4x4 average pool; a block pools after its first ReLU, and its shortcut after the 1x1 convolution.
    The norm is a group norm of one group a channel, with weight and bias. On images of up to 64 pixels the stem is
    3x3, and on the smallest there are fewer pools.

    Attributes:
        stem: ``small`` (3x3, no pool), ``imagenet`` (the papers'), or ``auto``: small at 64 pixels and less.
        width: channels of the first stage, an eighth of the last one's; 64 in the papers.
    """

    version: ClassVar[int] = 1

    stem: Literal["auto", "small", "imagenet"] = "auto"
    width: Annotated[int, Ge(1)] = 64

    def check(self, task: CheckTask) -> None:
        """Refuse images of which the last norm would leave nothing.

        Raises:
            UserError: if they are too small for the stem.
        """
        _require_map("resnet-ap10", task.data.image_size, self.stem)

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes)."""
        small = is_small(self.stem, data.image_size)
        first = nn.Conv2d(data.channels, self.width, 3 if small else 7, padding="same", bias=False)
        return _network(
            data, first, _average(1 if small else STEM), _strides(data.image_size, self.stem), 1, pooled=True
        )


@dataclass(frozen=True)
class ResNet18IN:
    """ResNet-18 with instance norm in place of batch norm.

    Source: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), Table 1, with the norm of the code of
    Kim et al. (IDC, ICML 2022) and Gu et al. (Minimax diffusion, CVPR 2024): a group norm of one group a channel, with
    weight and bias. On images of up to 64 pixels the stem is 3x3, and on the smallest there are fewer strides.

    Attributes:
        stem: ``small`` (3x3, stride 1, no max-pool), ``imagenet`` (the papers'), or ``auto``: small at 64 pixels and
            less.
        width: channels of the first stage, an eighth of the last one's; 64 in the papers.
    """

    version: ClassVar[int] = 1

    stem: Literal["auto", "small", "imagenet"] = "auto"
    width: Annotated[int, Ge(1)] = 64

    def check(self, task: CheckTask) -> None:
        """Refuse images of which the last norm would leave nothing.

        Raises:
            UserError: if they are too small for the stem.
        """
        _require_map("resnet18-in", task.data.image_size, self.stem)

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes)."""
        small = is_small(self.stem, data.image_size)
        kernel, stride = (3, 1) if small else (7, 2)
        first = nn.Conv2d(data.channels, self.width, kernel, stride, padding=kernel // 2, bias=False)
        pool = nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1)
        return _network(data, first, pool, _strides(data.image_size, self.stem), 2, pooled=False)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut; the map shrinks by strides, or ``pooled``, by averages behind them."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, pooled: bool) -> None:
        super().__init__()
        strided, averaged = (1, stride) if pooled else (stride, 1)
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, strided, padding=1, bias=False),
            _norm(outputs),
            nn.ReLU(inplace=True),
            _average(averaged),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            _norm(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            project = nn.Conv2d(inputs, outputs, 1, strided, bias=False)
            self.shortcut = nn.Sequential(project, _average(averaged), _norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride), rounded up."""
        out: Tensor = self.body(x) + self.shortcut(x)
        return out.relu()


def _network(
    data: DatasetSpec, first: nn.Conv2d, pool: nn.Module, strides: Sequence[int], blocks: int, *, pooled: bool
) -> nn.Module:
    inputs = width = first.out_channels
    layers: list[nn.Module] = [first, _norm(width), nn.ReLU(inplace=True), pool]
    for widths, stride in zip(STAGES, (1, *strides), strict=True):
        for at in range(blocks):
            layers.append(Block(inputs, width * widths, stride if at == 0 else 1, pooled=pooled))
            inputs = width * widths
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, data.num_classes))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(channels, channels)


def _average(stride: int) -> nn.Module:
    return nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()


def _strides(image_size: int, stem: str) -> tuple[int, ...]:
    return relaxed(HALVINGS, image_size, LAST_MAP) if is_small(stem, image_size) else HALVINGS


def _require_map(name: str, image_size: int, stem: str) -> None:
    shrunk = prod(_strides(image_size, stem)) * (1 if is_small(stem, image_size) else STEM)
    if -(-image_size // shrunk) < LAST_MAP:
        advice = "set stem=small" if stem == "imagenet" else f"take images of {LAST_MAP}x{LAST_MAP} at least"
        raise UserError(
            f"{name}: of {image_size}x{image_size} pixels a map of one is left, where instance norm is zero; {advice}"
        )
