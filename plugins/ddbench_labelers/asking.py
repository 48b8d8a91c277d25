"""What labelers ask of a teacher, and what that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from annotated_types import Gt

from ddbench.kit import device, graphs
from ddbench.types import Effort, Passes

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from ddbench.types import Compute, LabelsTask, RelabelTask

Mode = Literal["eval", "train"]
Temperature = Annotated[float, Gt(0)]

MANY = 1 << 10  # calls, where no one says how often views will be shown
AT_ONCE = 128  # images, where no exam says how many: the batch of the CIFAR recipes


def asked(task: RelabelTask | LabelsTask, mode: Mode, calls: int = 1) -> Callable[[Tensor], Tensor]:
    """Return a function that asks a copy of the teacher of its own.

    It takes normalised images (B, C, H, W) on the stage's device and returns logits, float32 (B, num_classes), without
    gradient. In ``train`` mode they depend on the batch, by its statistics, and not on batches before it. Where many
    ``calls`` will be made, a GPU replays the network as a CUDA graph.
    """
    teacher = device.place(task.teacher(), task.compute.device).train(mode == "train")
    return answering(teacher, task.compute, calls)


def answering(teacher: nn.Module, compute: Compute, calls: int) -> Callable[[Tensor], Tensor]:
    """Return a function that asks a teacher, on its device and in its mode; see ``asked``."""

    def logits(images: Tensor) -> Tensor:
        with torch.no_grad(), device.autocast(compute):
            answer: Tensor = teacher(images)
        return answer.float()

    return graphs.replayed(logits, teacher, compute, calls, counted=(teacher,))


def soft(logits: Tensor, temperature: float) -> Tensor:
    """Return soft labels: softmax(logits / temperature) of rows (B, num_classes)."""
    return torch.softmax(logits / temperature, dim=1)


def effort(images: int, stored_bytes: int = 0) -> Effort:
    """Return what asking about so many images takes, and storing what was answered."""
    return Effort((Passes("teacher", images, "nothing", min(images, AT_ONCE)),), stored_bytes)
