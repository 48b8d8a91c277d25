from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import torchvision.datasets

from ddbench.errors import UserError
from ddbench_datasets.cifar import SPEC10, SPEC100, Cifar10, Cifar100

if TYPE_CHECKING:
    from pathlib import Path

    from ddbench.types import Place

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 3072), np.uint8)


def write(path: Path, content: dict[str, Any]) -> tuple[str, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return path.name, hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.fixture
def small10(place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay out two training batches and a test batch of two images each, as CIFAR-10 is laid out."""
    reader, folder = torchvision.datasets.CIFAR10, place.root / "cifar-10-batches-py"
    batches = [
        write(folder / f"batch_{number}", {"data": PIXELS[2 * number : 2 * number + 2], "labels": [number, 9 - number]})
        for number in range(3)
    ]
    name, digest = write(folder / "batches.meta", {"label_names": list(SPEC10.class_names)})
    monkeypatch.setattr(reader, "train_list", batches[:2])
    monkeypatch.setattr(reader, "test_list", batches[2:])
    monkeypatch.setattr(reader, "meta", {"filename": name, "key": "label_names", "md5": digest})
    return folder


def test_batches_become_images_with_labels(place: Place, small10: Path) -> None:
    assert Cifar10().spec(place) == SPEC10
    train, test = Cifar10().open("train", place), Cifar10().open("test", place)
    assert train.labels.tolist() == [0, 9, 1, 8]
    assert torch.equal(train.images(slice(None)), torch.from_numpy(PIXELS[:4].reshape(4, 3, 32, 32)))
    assert torch.equal(test.images(torch.tensor([1])), torch.from_numpy(PIXELS[5:].reshape(1, 3, 32, 32)))


def test_cifar100_has_the_fine_labels(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, folder = torchvision.datasets.CIFAR100, place.root / "cifar-100-python"
    content = {"data": PIXELS[:2], "fine_labels": [42, 99], "coarse_labels": [1, 2]}
    batch = write(folder / "train", content)
    name, digest = write(folder / "meta", {"fine_label_names": list(SPEC100.class_names)})
    monkeypatch.setattr(reader, "train_list", [batch])
    monkeypatch.setattr(reader, "test_list", [])
    monkeypatch.setattr(reader, "meta", {"filename": name, "key": "fine_label_names", "md5": digest})
    assert Cifar100().spec(place) == SPEC100
    assert Cifar100().open("train", place).labels.tolist() == [42, 99]


@pytest.mark.parametrize(("dataset", "folder"), [(Cifar10(), "cifar-10-batches-py"), (Cifar100(), "cifar-100-python")])
def test_missing_files_are_named_with_the_way_to_get_them(dataset: Any, folder: str, place: Place) -> None:
    with pytest.raises(UserError, match=rf"no folder .*{folder}; put it there, or add --download"):
        dataset.spec(place)
    assert not place.root.exists()


def test_where_downloading_is_allowed_describing_needs_no_files(place: Place) -> None:
    assert Cifar10().spec(replace(place, download=True)) == SPEC10


def test_a_damaged_batch_is_refused(place: Place, small10: Path) -> None:
    (small10 / "batch_1").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"missing or damaged in .*cifar-10-batches-py: replace it, or add --download"):
        Cifar10().open("train", place)


def test_files_that_are_there_are_not_downloaded_again(
    place: Place, small10: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        torchvision.datasets.cifar, "download_and_extract_archive", lambda *_, **__: pytest.fail("download")
    )
    assert len(Cifar10().open("train", replace(place, download=True)).labels) == 4


def test_download_speaks_on_stderr_only_and_a_failure_is_one_line(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        print("fetching")  # noqa: T201 - what torchvision does
        raise OSError("no route\nto host")

    monkeypatch.setattr(torchvision.datasets.cifar, "download_and_extract_archive", fail)
    with pytest.raises(UserError, match=r"cannot download cifar10 into .* \(no route to host\): try again"):
        Cifar10().open("train", replace(place, download=True))
    assert capsys.readouterr() == ("", "fetching\n")


@pytest.mark.parametrize(
    ("spec", "reader"), [(SPEC10, torchvision.datasets.CIFAR10), (SPEC100, torchvision.datasets.CIFAR100)]
)
def test_fingerprint_is_the_archives_md5_that_torchvision_records(spec: Any, reader: Any) -> None:
    assert spec.fingerprint == reader.tgz_md5


@pytest.mark.parametrize("spec", [SPEC10, SPEC100])
def test_classes_are_named_in_their_alphabetical_order(spec: Any) -> None:
    assert list(spec.class_names) == sorted(set(spec.class_names))
    assert len(spec.class_names) == len(spec.class_counts) == spec.num_classes
    assert sum(spec.class_counts) == spec.sizes["train"]
