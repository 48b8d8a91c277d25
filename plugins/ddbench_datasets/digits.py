"""The embedded data set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ddbench.errors import UserError
from ddbench.types import DatasetSpec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ddbench.types import Examples, Place, Split

EVERY = 5  # of each class, the fifth image in file order, the tenth, ... are for testing

SPEC = DatasetSpec(
    name="digits",
    recipe="digits",
    num_classes=10,
    image_size=8,
    channels=1,
    mean=(0.3052,),
    std=(0.376,),
    sizes={"train": 1442, "test": 355},
    class_counts=(143, 146, 142, 147, 145, 146, 145, 144, 140, 144),
    fingerprint="9f66296b618a7657d1dff99bb57a177ab02e95b9139bbcc993bff2c1786898ee",
    class_names=tuple("0123456789"),
)


@dataclass(frozen=True)
class Digits:
    """Handwritten digits: 1,797 real scans of 8x8 grey pixels, embedded in scikit-learn.

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998, its
    test part, as ``sklearn.datasets.load_digits`` gives it. Levels 0 .. 16 become round(255 / 16 x level). Of each
    class, every fifth image in file order (the 5th, the 10th, ...) is in the test split, the others in the
    training split: 355 and 1,442, stratified, whatever the versions and seeds.
    """

    version: ClassVar[int] = 1

    def spec(self, place: Place) -> DatasetSpec:  # noqa: ARG002 - it lies in a package
        """Return what is known beforehand; imports and reads nothing."""
        return SPEC

    def open(self, split: Split, place: Place) -> Examples:  # noqa: ARG002 - it lies in a package
        """Open one split.

        Raises:
            UserError: the installed scikit-learn holds other images.
        """
        import torch

        from ddbench_datasets.examples import MemoryExamples

        splits = load()
        if fingerprint(splits) != SPEC.fingerprint:
            raise UserError(
                "the digits in the installed scikit-learn are not those known to ddbench: install another version"
            )
        images, labels = splits[split]
        return MemoryExamples(torch.from_numpy(images), torch.from_numpy(labels))


def load() -> dict[Split, tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]:
    """Return images, uint8 (N, 1, 8, 8), and labels, int64 (N,), of each split."""
    import numpy as np
    from sklearn.datasets import load_digits

    scans = load_digits()
    images = np.rint(scans.images * (255 / 16)).astype(np.uint8)[:, np.newaxis]
    labels = scans.target.astype(np.int64)
    rank = np.empty_like(labels)  # how many images of the same class come before
    for label in range(SPEC.num_classes):
        rank[labels == label] = np.arange((labels == label).sum())
    test = rank % EVERY == EVERY - 1
    return {"train": (images[~test], labels[~test]), "test": (images[test], labels[test])}


def fingerprint(splits: dict[Split, tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]) -> str:
    """Return the SHA-256 of images and labels, training split first, a byte for every pixel and label."""
    digest = hashlib.sha256()
    for split in ("train", "test"):
        for array in splits[split]:
            digest.update(array.astype("uint8").tobytes())
    return digest.hexdigest()
