"""ImageNet-1K, as torchvision lays it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge

from ddbench.types import DatasetSpec
from ddbench_datasets import synsets
from ddbench_datasets.decoding import Frame
from ddbench_datasets.fingerprint import FORMAT, digest_of
from ddbench_datasets.published import Expected, find_copy, require_complete, shortfall, synset_names

if TYPE_CHECKING:
    from pathlib import Path

    from ddbench.types import Examples, Place, Split
    from ddbench_datasets.synsets import Counted

NAME = "imagenet1k"
EXPECTED = Expected(classes=1000, train=(732, 1300), val=(50, 50))
TRAIN_IMAGES = 1_281_167
NAMES = ("LOC_synset_mapping.txt", "words.txt")
FETCH = f"put {synsets.LAYOUT} (https://www.image-net.org) there"
AGAIN = "copy what is wrong again; a part of ImageNet can be read with folder[path=...,size=224,convert=true]"


@dataclass(frozen=True)
class ImageNet1k:
    """ImageNet-1K: 1,281,167 + 50,000 photographs in 1,000 classes, streamed from disk.

    Source: Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015 (its 2012 data, the
    validation images as test split). Read from ``train/<WNID>/`` and ``val/<WNID>/``, as torchvision lays it out.
    Classes are numbered in the order of their WNIDs, as pretrained weights expect it, and bear the first name that a
    file ``LOC_synset_mapping.txt`` or ``words.txt`` beside them has, else their WNIDs. Grey and CMYK images become RGB.
    Mean and deviation are torchvision's. Images are decoded by worker processes whenever they are asked for: once a
    view, and never kept. Every class must have 732 to 1,300 training images, 1,281,167 in all, and 50 test images. The
    fingerprint is of the files' names and sizes: 140 GB are not read to plan a run, nor is each file looked at again
    while no folder changes.

    An image has one fixed form, so random crops are crops of that, not of the photograph: the papers' teachers were
    trained on the latter, and are had with ``pretrained`` weights.

    Attributes:
        path: the folder, relative to the root of data sets, else to the working directory; default: ``imagenet1k``
            in the root of data sets.
        image_size: height and width in pixels. The shorter side is scaled to 256 for 224, or in proportion, and the
            square in the centre cut out, as torchvision's ``Resize`` and ``CenterCrop`` do when it measures the
            accuracies that it states for its weights; its pixels, to one level of 255.
        train_images: how training images get that size: a ``crop`` as in testing, or ``squash``, which loses
            nothing but their shape (DWA's code, for the images that it starts from).
    """

    version: ClassVar[int] = 1

    path: str | None = None
    image_size: Annotated[int, Ge(8)] = 224
    train_images: Literal["crop", "squash"] = "crop"

    def spec(self, place: Place) -> DatasetSpec:
        """Describe the data; the first time, files are listed with their sizes, but not read.

        Raises:
            UserError: a folder is missing or not complete.
        """
        root, counted = self._counted(place)
        counts = {split: [count for count, _ in classes.values()] for split, classes in counted.items()}
        wnids = tuple(counted["train"])
        return DatasetSpec(
            name=NAME,
            recipe=NAME,
            num_classes=len(wnids),
            image_size=self.image_size,
            channels=3,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            sizes={split: sum(numbers) for split, numbers in counts.items()},
            class_counts=tuple(counts["train"]),
            fingerprint=digest_of([FORMAT, counted, self.image_size, self.train_images]),
            imagenet_classes=tuple(range(len(wnids))),
            class_names=next(filter(None, (synset_names(root / name, wnids) for name in NAMES)), wnids),
        )

    def open(self, split: Split, place: Place) -> Examples:
        """Open one split.

        Raises:
            UserError: as in ``spec``.
        """
        from ddbench_datasets.examples import open_source

        root, counted = self._counted(place)
        fit = self.train_images if split == "train" else "crop"
        frame = Frame(self.image_size, 3, convert=True, like=None, fit=fit)
        return open_source(synsets.files(root, split, list(counted[split])), frame)

    def _counted(self, place: Place) -> tuple[Path, Counted]:
        root = find_copy(NAME, NAME, self.path, place, FETCH)
        counted = synsets.count(NAME, root, place.cache)
        _require_complete(root, counted)
        return root, counted


def _require_complete(root: Path, counted: Counted) -> None:
    wnids = {wnid for classes in counted.values() for wnid in classes}
    train, val = ({wnid: classes.get(wnid, (0, ""))[0] for wnid in wnids} for classes in counted.values())
    short = [shortfall("train", train, EXPECTED.train), shortfall("val", val, EXPECTED.val)]
    total = sum(train.values())
    few = f"train has {total} of {TRAIN_IMAGES} images, though no class has too few or too many"
    require_complete(
        NAME,
        root,
        [
            f"there are {len(wnids)} of {EXPECTED.classes} class folders" if len(wnids) != EXPECTED.classes else "",
            *short,
            few if total != TRAIN_IMAGES and not any(short) else "",
        ],
        AGAIN,
    )
