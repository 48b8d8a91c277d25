"""Student training as the papers' scripts do it: PIL images, one by one, through a DataLoader's transforms.

The teacher labels every batch of views, in train mode and with its graph built, as the scripts for CIFAR have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 - the field's name for it
from torch.utils.data import DataLoader, Dataset

from benchmarks.speed.sizes import LEARNING_RATE, MIXUP, TEMPERATURE, WEIGHT_DECAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image
    from torch import Tensor, nn

    from benchmarks.speed.sizes import Student

MEAN, STD = 0.5, 0.3


class PilImages(Dataset[tuple["Tensor", int]]):
    """Images in memory, transformed each time they are asked for."""

    def __init__(self, images: list[Image], labels: list[int], transform: Callable[[Image], Tensor]) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), self.labels[index]


def plain_student_epochs(
    model: nn.Module, teacher: nn.Module, student: Student, images: Tensor, labels: Tensor, epochs: int
) -> float:
    """Train on uint8 images (N, C, H, W): crops, mixup, soft labels; returns the last epoch's mean loss."""
    dataset = PilImages(_pil(images), labels.tolist(), _transform(student))
    loader = DataLoader(dataset, batch_size=student.batch_size, shuffle=True)
    where = next(model.parameters()).device
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    model.train()
    teacher.train()
    for _ in range(epochs):
        total = 0.0
        for batch, target in loader:
            batch, target = batch.to(where), target.to(where)  # noqa: PLW2901 - as scripts do it
            share, partners = np.random.beta(MIXUP, MIXUP), torch.randperm(len(batch), device=where)
            mixed = share * batch + (1 - share) * batch[partners]
            soft = F.softmax(teacher(mixed) / TEMPERATURE, dim=1).detach()
            loss = F.kl_div(F.log_softmax(model(mixed) / TEMPERATURE, dim=1), soft, reduction="batchmean")
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            total += loss.item() * len(batch)
        schedule.step()
    return total / len(dataset)


def _pil(images: Tensor) -> list[Image]:
    from torchvision import transforms

    return [transforms.ToPILImage()(image) for image in images]


def _transform(student: Student) -> Callable[[Image], Tensor]:
    from torchvision import transforms

    channels = student.channels
    steps = [
        transforms.RandomCrop(student.image_size, padding=student.padding),
        *([transforms.RandomHorizontalFlip()] if student.flip else []),
        transforms.ToTensor(),
        transforms.Normalize((MEAN,) * channels, (STD,) * channels),
    ]
    return transforms.Compose(steps)  # type: ignore[no-any-return]  # torchvision leaves it untyped
