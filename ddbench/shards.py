"""Distilled images in the store: a synthesizer's shards, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddbench.types import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ddbench.store import AnyStore


def stored(store: AnyStore, keys: Sequence[str]) -> bool:
    """Tell whether all shards are there; their content is not looked at."""
    return bool(keys) and all(store.has("synthesize", key) for key in keys)


def read(store: AnyStore, keys: Sequence[str]) -> Batch:
    """Return the images of some shards, in the order of their keys: uint8 (N, C, H, W) and int64 labels (N,).

    Raises:
        CorruptArtifactError: a shard is missing, unreadable or differs from its checksum.
    """
    import torch

    parts = list(batches(store, keys))
    return Batch(torch.cat([part.images for part in parts]), torch.cat([part.labels for part in parts]))


def batches(store: AnyStore, keys: Sequence[str]) -> Iterator[Batch]:
    """Yield the images of some shards in the same order, as the synthesizer handed them over, one batch in memory.

    Raises:
        CorruptArtifactError: as ``read``.
    """
    for key in keys:
        artifact = store.artifact("synthesize", key)
        for name in sorted(name.removesuffix(".safetensors") for name in artifact.meta()["files"]):
            tensors = artifact.tensors(name)
            yield Batch(tensors["images"], tensors["labels"])
