from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ddbench.kit import reading
from ddbench.kit.views import Augmentation, views
from ddbench.testing.toys import ToyDataset
from ddbench.types import Place

PLACE, CPU = Place(Path(), Path()), torch.device("cpu")
TRAIN, DATA = ToyDataset().open("train", PLACE), ToyDataset().spec(PLACE)


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "RESIDENT_BYTES", {"cpu": 100})


def test_a_small_split_is_held_as_a_whole() -> None:
    assert torch.equal(reading.images(TRAIN, DATA, CPU)[torch.arange(60)], TRAIN.images(slice(None)))
    held = reading.resident(TRAIN, DATA, CPU)
    assert isinstance(held, reading.Resident)
    assert torch.equal(held.images(slice(5, 9)), TRAIN.images(slice(5, 9)))
    assert torch.equal(held.labels, TRAIN.labels)


@pytest.mark.usefixtures("little_room")
def test_a_large_split_is_read_as_it_is_needed() -> None:
    assert reading.resident(TRAIN, DATA, CPU) is TRAIN
    streamed = reading.images(TRAIN, DATA, CPU)
    assert isinstance(streamed, reading.Streamed)
    assert len(streamed) == 60
    assert torch.equal(streamed[torch.tensor([7, 3])], TRAIN.images(torch.tensor([7, 3])))


def test_views_are_the_same_read_or_held(monkeypatch: pytest.MonkeyPatch) -> None:
    held = reading.images(TRAIN, DATA, CPU)
    monkeypatch.setattr(reading, "RESIDENT_BYTES", {"cpu": 100})
    streamed = reading.images(TRAIN, DATA, CPU)
    augmentation = Augmentation(padding=1, flip=True, cutmix=1.0)
    pairs = zip(*(views(images, DATA, augmentation, 16, 0, 0) for images in (held, streamed)), strict=True)
    for one, two in pairs:
        assert torch.equal(one.images, two.images)
