"""Whether a network of a library takes images of a size."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ddbench.errors import UserError
from ddbench_architectures.stock import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from ddbench.types import DatasetSpec


@contextmanager
def sized(title: str, data: DatasetSpec) -> Iterator[Callable[[nn.Module], nn.Module]]:
    """Turn whatever fails while a network is built and tried into one line.

    Yields:
        A function that shows one black image to a network in eval mode and returns the network in train mode.

    Raises:
        UserError: if the network cannot be built, fails on the image, or returns anything but (1, num_classes).
    """
    try:
        yield lambda model: _tried(model, data)
    except UserError:
        raise
    except Exception as error:
        size = f"{data.image_size}x{data.image_size}"
        raise UserError(
            f"{title} cannot take images of {size} pixels and {data.channels} channels ({first_line(error)}); "
            "take another architecture, or another stem"
        ) from error


def _tried(model: nn.Module, data: DatasetSpec) -> nn.Module:
    image = torch.zeros(1, data.channels, data.image_size, data.image_size)
    with torch.inference_mode():
        logits = model.eval()(image)
    if logits.shape != (1, data.num_classes):
        raise ValueError(f"its output has shape {tuple(logits.shape)}")
    return model.train()
