"""Images of a split, a batch at a time: from the device where they fit there, else from disk."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddbench.kit.device import moved

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from concurrent.futures import Future

    import torch
    from torch import Tensor

    from ddbench.kit.views import Images
    from ddbench.types import DatasetSpec, Examples

BATCHES_AHEAD = 2  # read while the network is busy with the one before
RESIDENT_BYTES = {"cpu": 2 * 1024**3, "cuda": 8 * 1024**3}  # ImageNet's 50,000 test images take 7 GiB


@dataclass(frozen=True)
class Resident:
    """A split that lies on a device as a whole (:class:`ddbench.types.Examples`)."""

    pixels: Tensor
    labels: Tensor

    def images(self, indices: Tensor | slice) -> Tensor:
        """Return uint8 images (B, C, H, W) on that device."""
        return self.pixels[indices]


@dataclass(frozen=True)
class Part:
    """Chosen images of a split under labels of their own (:class:`ddbench.types.Examples`); no other is read."""

    whole: Examples
    chosen: Tensor
    labels: Tensor

    @classmethod
    def of(cls, whole: Examples, chosen: Tensor) -> Part:
        """Return images of a split, int64 (M,), under the labels that they have."""
        return cls(whole, chosen, whole.labels[chosen])

    def images(self, indices: Tensor | slice) -> Tensor:
        """Return uint8 images (B, C, H, W), numbered within the part."""
        return self.whole.images(self.chosen[indices])


@dataclass(frozen=True)
class Streamed:
    """A split that is read as it is needed and moved to a device (:class:`ddbench.kit.views.Images`)."""

    examples: Examples
    device: torch.device

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.examples.labels)

    def __getitem__(self, indices: Tensor, /) -> Tensor:
        """Return uint8 images (B, C, H, W) on the device."""
        return moved(self.examples.images(indices.cpu()), self.device)


def resident(examples: Examples, data: DatasetSpec, device: torch.device) -> Examples:
    """Return the split with its images moved to a device, or as it is where they take too much of it."""
    if not _fits(examples, data, device):
        return examples
    return Resident(examples.images(slice(None)).to(device), examples.labels)


def images(examples: Examples, data: DatasetSpec, device: torch.device) -> Tensor | Streamed:
    """Return images as ``ddbench.kit.views`` takes them: all on a device, or read where they take too much of it."""
    if not _fits(examples, data, device):
        return Streamed(examples, device)
    return examples.images(slice(None)).to(device)


def ahead(images: Images, parts: Iterable[Tensor]) -> Generator[Tensor, None, None]:
    """Yield the images of each part, uint8 (B, C, H, W) on their device.

    Of a split that is read as it is needed, the next parts are read meanwhile.

    Args:
        images: a tensor, or :class:`Streamed`. Each part is read once, in order, by one thread.
        parts: indices, int64 on the CPU.
    """
    if not isinstance(images, Streamed):
        yield from (images[part.to(images.device)] for part in parts)
        return
    reader = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        waiting: deque[Future[Tensor]] = deque()
        for part in parts:
            waiting.append(reader.submit(images.__getitem__, part))
            if len(waiting) > BATCHES_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        reader.shutdown(cancel_futures=True)  # also when whoever takes the images stops early


def fits(nbytes: int, device: torch.device) -> bool:
    """Tell whether a split of so many bytes is held on a device as a whole."""
    return nbytes <= RESIDENT_BYTES.get(device.type, RESIDENT_BYTES["cpu"])


def _fits(examples: Examples, data: DatasetSpec, device: torch.device) -> bool:
    return fits(len(examples.labels) * data.channels * data.image_size**2, device)
