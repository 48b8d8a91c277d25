"""Distilled images read back from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from ddbench import shards
from ddbench.errors import CorruptArtifactError
from ddbench.store import Store

if TYPE_CHECKING:
    from pathlib import Path

KEYS = ["b" * 64, "a" * 64]  # in the order of their ipc index, which is not that of the alphabet


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store of two shards, each in two batches of one image."""
    store = Store(tmp_path)
    for place, key in enumerate(KEYS):
        draft = store.draft(key)
        for number in range(2):
            value = 10 * place + number
            images = torch.full((1, 1, 2, 2), value, dtype=torch.uint8)
            draft.save(f"batch-{number:06}", {"images": images, "labels": torch.tensor([value])})
        store.commit(draft, "synthesize", key, {})
    return store


def test_shards_come_in_the_order_of_their_keys_and_batches_in_their_own(store: Store) -> None:
    made = shards.read(store, KEYS)

    assert made.images.shape == (4, 1, 2, 2)
    assert made.labels.tolist() == made.images[:, 0, 0, 0].tolist() == [0, 1, 10, 11]
    assert [batch.labels.tolist() for batch in shards.batches(store, KEYS)] == [[0], [1], [10], [11]]


def test_a_set_is_stored_when_every_shard_is(store: Store) -> None:
    assert shards.stored(store, KEYS)
    assert not shards.stored(store, [*KEYS, "c" * 64])
    assert not shards.stored(store, [])


def test_a_damaged_shard_is_an_error(store: Store) -> None:
    file = next(store.artifact("synthesize", KEYS[1]).folder.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")

    with pytest.raises(CorruptArtifactError, match="does not match its checksum"):
        shards.read(store, KEYS)
