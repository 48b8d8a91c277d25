from __future__ import annotations

from pathlib import Path

import torch

from ddbench.kit.views import Augmentation, views
from ddbench.testing.toys import ToyDataset
from ddbench.types import Compute, Distilled, LabelsTask, Place, RelabelTask
from ddbench_labelers.hard import Hard

PLACE = Place(Path(), Path())
DATA, TRAIN = ToyDataset().spec(PLACE), ToyDataset().open("train", PLACE)
DISTILLED = Distilled(TRAIN.images(slice(None)), TRAIN.labels, DATA, ipc=20)
COMPUTE = Compute(torch.device("cpu"), "float32", 0, lambda *_, **__: None)


def no_teacher() -> torch.nn.Module:
    raise AssertionError("hard labels ask no teacher")


def test_unmixed_views_get_one_hot_rows_of_their_class() -> None:
    labels = Hard().labels(LabelsTask(DISTILLED, {}, no_teacher, COMPUTE))
    assert labels.temperature == 1
    for batch in views(DISTILLED.images, DATA, Augmentation(), 16, 0, 0):
        targets = labels.targets(batch)
        assert targets.dtype == torch.float32
        assert torch.equal(targets.argmax(1), TRAIN.labels[batch.indices])
        assert torch.equal(targets.sort(dim=1).values, torch.tensor([0.0, 0, 1]).expand(len(targets), 3))


def test_mixed_views_get_both_classes_by_their_shares() -> None:
    labels = Hard().labels(LabelsTask(DISTILLED, {}, no_teacher, COMPUTE))
    for batch in views(DISTILLED.images, DATA, Augmentation(cutmix=1.0), 16, 0, 0):
        for row, index, partner, share in zip(
            labels.targets(batch), batch.indices, batch.partners, batch.weights, strict=True
        ):
            expected = [0.0, 0.0, 0.0]
            expected[TRAIN.labels[index]] += share.item()
            expected[TRAIN.labels[partner]] += 1 - share.item()
            assert torch.allclose(row, torch.tensor(expected))


def test_nothing_is_stored() -> None:
    assert Hard().relabel(RelabelTask(DISTILLED, no_teacher, COMPUTE)) == {}
