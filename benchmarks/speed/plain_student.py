"""Student training as the papers' scripts do it: PIL images, one by one, through a DataLoader's transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 - the field's name for it
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image
    from torch import Tensor, nn

PADDING, BATCH_SIZE, MIXUP = 1, 25, 0.8
MEAN, STD = 0.3, 0.38


class PilImages(Dataset[tuple["Tensor", int]]):
    """Images in memory, transformed each time they are asked for."""

    def __init__(self, images: list[Image], labels: list[int], transform: Callable[[Image], Tensor]) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), self.labels[index]


def plain_student_epochs(model: nn.Module, images: Tensor, labels: Tensor, epochs: int) -> float:
    """Train on uint8 images (N, C, H, W) with padded crops and mixup; returns the last epoch's mean loss."""
    from torchvision import transforms

    channels, size = images.shape[1], images.shape[-1]
    to_pil = transforms.ToPILImage()
    transform = transforms.Compose(
        [
            transforms.RandomCrop(size, padding=PADDING),
            transforms.ToTensor(),
            transforms.Normalize((MEAN,) * channels, (STD,) * channels),
        ]
    )
    dataset = PilImages([to_pil(image) for image in images], labels.tolist(), transform)
    loader = DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    model.train()
    for _ in range(epochs):
        total = 0.0
        for batch, target in loader:
            share, partners = np.random.beta(MIXUP, MIXUP), torch.randperm(len(batch))
            logits = model(share * batch + (1 - share) * batch[partners])
            loss = share * F.cross_entropy(logits, target) + (1 - share) * F.cross_entropy(logits, target[partners])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            total += loss.item() * len(batch)
        schedule.step()
    return total / len(dataset)
