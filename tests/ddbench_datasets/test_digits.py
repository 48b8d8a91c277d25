from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ddbench.errors import UserError
from ddbench_datasets import digits
from ddbench_datasets.digits import SPEC, Digits, fingerprint, load

if TYPE_CHECKING:
    from ddbench.types import Place


def test_known_facts_are_those_of_scikit_learns_copy() -> None:
    splits = load()
    images, labels = splits["train"]
    shades = images.astype(np.float64) / 255
    assert fingerprint(splits) == SPEC.fingerprint
    assert {split: len(content[1]) for split, content in splits.items()} == SPEC.sizes
    assert tuple(np.bincount(labels).tolist()) == SPEC.class_counts
    assert (round(shades.mean(), 4), round(shades.std(), 4)) == (SPEC.mean[0], SPEC.std[0])
    assert images.shape[1:] == (SPEC.channels, SPEC.image_size, SPEC.image_size)
    assert len(SPEC.class_names) == SPEC.num_classes == len(np.unique(labels))


def test_every_fifth_image_of_a_class_in_file_order_is_for_testing(place: Place) -> None:
    scans = load_digits()
    test = Digits().open("test", place)
    for label in range(10):
        expected = [scan for number, scan in enumerate(scans.images[scans.target == label]) if number % 5 == 4]
        shown = test.images(torch.nonzero(test.labels == label)[:, 0]).double() * 16 / 255
        assert torch.equal(shown.round()[:, 0], torch.tensor(np.stack(expected)))


def test_splits_share_no_image_and_hold_them_all(place: Place) -> None:
    train, test = (Digits().open(split, place).images(slice(None)).flatten(1).tolist() for split in ("train", "test"))
    scans = np.rint(load_digits().images * 255 / 16).reshape(1797, 64).tolist()
    assert sorted(train + test) == sorted(scans)
    assert not {tuple(image) for image in train} & {tuple(image) for image in test}


def test_each_class_gives_a_fifth_of_its_images_to_the_test_split(place: Place) -> None:
    counts = torch.bincount(Digits().open("test", place).labels)
    total = torch.tensor(SPEC.class_counts) + counts
    assert torch.equal(counts, total // 5)


def test_levels_reach_from_black_to_white(place: Place) -> None:
    images = Digits().open("train", place).images(slice(None))
    assert images.dtype == torch.uint8
    assert sorted(set(images.flatten().tolist())) == [round(255 / 16 * level) for level in range(17)]


def test_another_copy_of_the_digits_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = load()
    splits["train"][0][0, 0, 0, 0] += 1
    monkeypatch.setattr(digits, "load", lambda: splits)
    with pytest.raises(UserError, match="scikit-learn are not those known"):
        Digits().open("train", place)


def test_describing_digits_imports_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from ddbench.types import Place; from ddbench_datasets.digits import Digits\n"
        "Digits().spec(Place(Path(), Path())); print({'torch', 'sklearn', 'numpy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
