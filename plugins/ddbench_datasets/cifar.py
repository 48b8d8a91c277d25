"""CIFAR-10 and CIFAR-100, as torchvision reads them."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from filelock import FileLock

from ddbench.errors import UserError
from ddbench.types import DatasetSpec
from ddbench_datasets.cifar_classes import CIFAR10, CIFAR100

if TYPE_CHECKING:
    from ddbench.types import Examples, Place, Split

SPEC10 = DatasetSpec(
    name="cifar10",
    recipe="cifar10",
    num_classes=10,
    image_size=32,
    channels=3,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    sizes={"train": 50_000, "test": 10_000},
    class_counts=(5_000,) * 10,
    fingerprint="c58f30108f718f92721af3b95e74349a",
    class_names=CIFAR10,
)

SPEC100 = replace(
    SPEC10,
    name="cifar100",
    recipe="cifar100",
    num_classes=100,
    mean=(0.5071, 0.4867, 0.4408),
    std=(0.2675, 0.2565, 0.2761),
    class_counts=(500,) * 100,
    fingerprint="eb9058c3a382ffc7106e4002c42a8d85",
    class_names=CIFAR100,
)


@dataclass(frozen=True)
class Cifar10:
    """CIFAR-10: 50,000 + 10,000 colour images of 32x32 pixels in 10 classes.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009. Read from
    ``cifar-10-batches-py`` in the root of data sets; ``--download`` fetches it. Mean and deviation are those of all
    training pixels. Papers disagree: .2023 .1994 .2010, often seen as the deviation, is the mean over images of each
    image's own deviation; DWA's code uses one in its squeeze and the other later. The fingerprint is the MD5 of
    the published archive, which torchvision holds the files against.
    """

    version: ClassVar[int] = 1

    def spec(self, place: Place) -> DatasetSpec:
        """Return what is known beforehand; looks only whether the folder is there.

        Raises:
            UserError: it is not, and downloading is not allowed.
        """
        _require_folder("cifar-10-batches-py", SPEC10, place)
        return SPEC10

    def open(self, split: Split, place: Place) -> Examples:
        """Open one split, downloading first if that is allowed and needed.

        Raises:
            UserError: files are missing or damaged, or cannot be downloaded.
        """
        from torchvision.datasets import CIFAR10 as Reader  # noqa: N811 - the class of the same data set

        return _open(Reader, SPEC10, split, place)


@dataclass(frozen=True)
class Cifar100:
    """CIFAR-100: 50,000 + 10,000 colour images of 32x32 pixels in 100 classes (the fine labels).

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009. Read from ``cifar-100-python``
    in the root of data sets; ``--download`` fetches it. Mean and deviation are those of all training pixels. The
    fingerprint is the MD5 of the published archive, which torchvision holds the files against.
    """

    version: ClassVar[int] = 1

    def spec(self, place: Place) -> DatasetSpec:
        """Return what is known beforehand; looks only whether the folder is there.

        Raises:
            UserError: it is not, and downloading is not allowed.
        """
        _require_folder("cifar-100-python", SPEC100, place)
        return SPEC100

    def open(self, split: Split, place: Place) -> Examples:
        """Open one split, downloading first if that is allowed and needed.

        Raises:
            UserError: files are missing or damaged, or cannot be downloaded.
        """
        from torchvision.datasets import CIFAR100 as Reader  # noqa: N811 - the class of the same data set

        return _open(Reader, SPEC100, split, place)


def _require_folder(folder: str, data: DatasetSpec, place: Place) -> None:
    if not place.download and not (place.root / folder).is_dir():
        raise UserError(
            f"{data.name} is missing: no folder {place.root / folder}; put it there, or add --download to fetch it"
        )


def _open(reader: Any, data: DatasetSpec, split: Split, place: Place) -> Examples:
    import torch

    from ddbench_datasets.examples import MemoryExamples

    if place.download:
        _download(reader, data, place)
    try:
        read = reader(place.root, train=split == "train")
    except (OSError, RuntimeError) as error:
        folder = place.root / reader.base_folder
        raise UserError(
            f"{data.name} is missing or damaged in {folder}: replace it, or add --download to fetch it"
        ) from error
    pixels = torch.from_numpy(read.data).permute(0, 3, 1, 2).contiguous()
    return MemoryExamples(pixels, torch.tensor(read.targets, dtype=torch.int64))


def _download(reader: Any, data: DatasetSpec, place: Place) -> None:
    """Fetch the archive unless the files are there, one process at a time, saying so on stderr only."""
    try:
        place.root.mkdir(parents=True, exist_ok=True)
        with FileLock(place.root / f".{data.name}.lock"), contextlib.redirect_stdout(sys.stderr):
            reader(place.root, download=True)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"cannot download {data.name} into {place.root} ({reason}): try again, or put {reader.base_folder} there"
        ) from error
