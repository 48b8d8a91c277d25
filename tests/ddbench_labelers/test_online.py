from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ddbench.kit import rng
from ddbench.kit.views import Augmentation, ViewBatch, views
from ddbench.testing.toys import ToyDataset, ToyNet
from ddbench.types import Compute, Distilled, Labels, LabelsTask, Place, RelabelTask
from ddbench_labelers.online import Online

PLACE = Place(Path(), Path())
DATA, TRAIN = ToyDataset().spec(PLACE), ToyDataset().open("train", PLACE)
DISTILLED = Distilled(TRAIN.images(slice(None)), TRAIN.labels, DATA, ipc=20)


class Teachers:
    """Hands out fresh copies, and keeps them to be looked at."""

    def __init__(self) -> None:
        self.given: list[nn.Module] = []

    def __call__(self) -> nn.Module:
        with rng.seeded(0, "weights"):
            self.given.append(ToyNet().build(DATA).eval().requires_grad_(requires_grad=False))
        return self.given[-1]


def compute(precision: str = "float32") -> Compute:
    return Compute(torch.device("cpu"), precision, 0, lambda *_, **__: None)  # type: ignore[arg-type]


def labels_of(online: Online, teachers: Teachers | None = None, precision: str = "float32") -> Labels:
    return online.labels(LabelsTask(DISTILLED, {}, teachers or Teachers(), compute(precision)))


def batch() -> ViewBatch:
    return next(views(DISTILLED.images, DATA, Augmentation(mixup=0.8), 16, 0, 0))


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_rows_are_float32_probabilities_without_gradient(mode: str, precision: str) -> None:
    online = Online(teacher_mode=mode)  # type: ignore[arg-type]
    targets = labels_of(online, precision=precision).targets(batch())
    assert targets.dtype == torch.float32
    assert targets.shape == (16, 3)
    assert not targets.requires_grad
    assert torch.allclose(targets.sum(1), torch.ones(16), atol=1e-6)
    assert (targets > 0).all()


@pytest.mark.parametrize("temperature", [1.0, 4.0, 30.0])
def test_labels_are_the_softmax_of_the_teacher_at_the_temperature(temperature: float) -> None:
    labels = labels_of(Online(temperature=temperature))
    logits = Teachers()()(batch().images).double().numpy() / temperature
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert labels.temperature == temperature
    assert np.allclose(labels.targets(batch()).numpy(), expected, atol=1e-6)


def test_a_teacher_in_eval_mode_labels_a_view_the_same_in_any_company() -> None:
    labels, whole = labels_of(Online()), batch()
    part = ViewBatch(whole.images[:3], whole.indices[:3], whole.partners[:3], whole.weights[:3], 0)
    assert torch.allclose(labels.targets(whole)[:3], labels.targets(part), atol=1e-6)


def test_a_teacher_in_train_mode_uses_the_statistics_of_the_batch() -> None:
    images = batch().images.double()
    net = Teachers()().double()
    hidden = net[0](images)  # type: ignore[index]
    mean, variance = hidden.mean((0, 2, 3), keepdim=True), hidden.var((0, 2, 3), unbiased=False, keepdim=True)
    logits = net[2:]((hidden - mean) / (variance + 1e-5).sqrt())  # type: ignore[index]
    expected = torch.softmax(logits / 20, dim=1).float()
    targets = labels_of(Online(teacher_mode="train")).targets(batch())
    assert torch.allclose(targets, expected, atol=1e-5)
    assert not torch.allclose(targets, labels_of(Online()).targets(batch()), atol=1e-3)


def test_train_mode_moves_the_running_statistics_of_its_own_copy_alone() -> None:
    teachers = Teachers()
    labels_of(Online(teacher_mode="train"), teachers).targets(batch())
    labels_of(Online(teacher_mode="eval"), teachers).targets(batch())
    fresh = Teachers()()
    drifted, kept = (not torch.equal(teacher[1].running_mean, fresh[1].running_mean) for teacher in teachers.given)  # type: ignore[index]
    assert drifted
    assert kept is False


def test_nothing_is_stored() -> None:
    assert Online().relabel(RelabelTask(DISTILLED, Teachers(), compute())) == {}
