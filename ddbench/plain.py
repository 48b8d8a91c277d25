"""Images as they are, without augmentation, as a labeler sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import Compute, Distilled, Labels

_AT_ONCE = 256


@dataclass(frozen=True)
class PlainViews:
    """Some images of a distilled set, nothing done to them (:class:`ddbench.types.Views`)."""

    distilled: Distilled
    compute: Compute
    indices: Tensor
    epoch: int = 0

    @property
    def partners(self) -> Tensor:
        """Which image is mixed in: none."""
        return self.indices

    @property
    def weights(self) -> Tensor:
        """The whole of each image."""
        import torch

        return torch.ones(len(self.indices), device=self.indices.device)

    @property
    def images(self) -> Tensor:
        """Normalised float images, (B, C, H, W)."""
        from ddbench.kit import device, pixels

        plain = device.place_images(self.distilled.images[self.indices.cpu()], self.compute.device)
        return pixels.normalise(plain, self.distilled.data)


def labels_of_images(labels: Labels, distilled: Distilled, compute: Compute) -> Tensor:
    """Return the targets of whole images, float32 (N, num_classes), on the CPU."""
    import torch

    parts = torch.split(torch.arange(len(distilled.labels), device=compute.device), _AT_ONCE)
    return torch.cat([labels.targets(PlainViews(distilled, compute, part)).cpu() for part in parts])
