"""One split of a data set, in memory or decoded as it is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ddbench_datasets.collection import decode_batch

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import Examples
    from ddbench_datasets.collection import Source
    from ddbench_datasets.decoding import Frame

KEPT_BYTES = 512 * 2**20  # decoded splits below this stay in memory
CHUNK = 4096


@dataclass(frozen=True, eq=False)
class MemoryExamples:
    """Images that are all in memory: uint8 (N, C, H, W), with int64 labels (N,)."""

    pixels: Tensor
    labels: Tensor

    def images(self, indices: Tensor | slice) -> Tensor:
        """Return a copy of the images asked, in that order."""
        return self.pixels[positions(indices, len(self.labels))]


@dataclass(frozen=True, eq=False)
class StreamingExamples:
    """Images that are read and decoded, by as many threads as torch may use, whenever they are asked for."""

    source: Source
    frame: Frame

    @property
    def labels(self) -> Tensor:
        """Int64 class labels, shape (N,)."""
        return torch.from_numpy(self.source.labels)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of images, channels, height and width."""
        return len(self.source.labels), self.frame.channels, self.frame.size, self.frame.size

    def images(self, indices: Tensor | slice) -> Tensor:
        """Decode the images asked, uint8 (B, C, H, W), in that order.

        Raises:
            UserError: a file has changed since it was measured and no longer fits.
        """
        wanted = positions(indices, len(self.source.labels)).tolist()
        return torch.from_numpy(decode_batch(self.source, wanted, self.frame, torch.get_num_threads()))


class KeptExamples:
    """Images that stay in memory, uint8 (N, C, H, W), once they have been decoded."""

    def __init__(self, streamed: StreamingExamples) -> None:
        self.labels = streamed.labels
        self._streamed = streamed
        self._pixels = torch.empty(streamed.shape, dtype=torch.uint8)
        self._decoded = torch.zeros(len(self.labels), dtype=torch.bool)

    def images(self, indices: Tensor | slice) -> Tensor:
        """Return a copy of the images asked, in that order, decoding those that are asked for the first time."""
        wanted = positions(indices, len(self.labels))
        for missing in torch.unique(wanted[~self._decoded[wanted]]).split(CHUNK):
            self._pixels[missing] = self._streamed.images(missing)
            self._decoded[missing] = True
        return self._pixels[wanted]


def open_source(source: Source, frame: Frame) -> Examples:
    """Open a split of encoded images; what fits is decoded once and kept."""
    streamed = StreamingExamples(source, frame)
    return KeptExamples(streamed) if math.prod(streamed.shape) < KEPT_BYTES else streamed


def positions(indices: Tensor | slice, count: int) -> Tensor:
    """Return indices as int64 in 0 .. count - 1; negative ones and masks mean what they mean to a tensor."""
    return torch.arange(count)[indices]
