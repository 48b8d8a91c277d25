"""A copy of some classes of ImageNet-1K: where it lies, whose split it has, and whether all of it is there.

The papers keep ImageNet-1K's split, 50 test images a class. fastai's archives hold the same images in another split,
of some 390 test images a class, and some of them scaled down: other data, whose accuracies cannot stand beside the
papers'. Which split a folder has shows in the number of its test images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ddbench.errors import UserError
from ddbench.types import DatasetSpec
from ddbench_datasets import synsets
from ddbench_datasets.collection import blaming, locate
from ddbench_datasets.decoding import Frame, content, shorter_side
from ddbench_datasets.fingerprint import FORMAT, digest_of
from ddbench_datasets.imagenet1k import EXPECTED
from ddbench_datasets.imagenet1k import NAME as IMAGENET
from ddbench_datasets.published import listed, require_complete, shortfall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ddbench.types import Examples, Place, Split
    from ddbench_datasets.files import Files
    from ddbench_datasets.subset_classes import Archive, Subset
    from ddbench_datasets.synsets import Counted

Layout = Literal["imagenet1k", "fastai"]

RECIPE = "imagenet10"
SCALED = (320, 160)  # shorter sides of the images in fastai's smaller archives
FETCH = f"put {synsets.LAYOUT} (https://www.image-net.org; its ten classes are enough) into {IMAGENET}"
UNPACK = "unpack {0}.tgz (https://s3.amazonaws.com/fast-ai-imageclas/{0}.tgz)"


@dataclass(frozen=True)
class Copy:
    """A complete copy; ``archive`` is fastai's, if it has that split."""

    subset: Subset
    root: Path
    archive: Archive | None
    counted: Counted

    def describe(self, image_size: int) -> DatasetSpec:
        """Return what the harness knows of it.

        Raises:
            UserError: an image that tells the archive's scale cannot be read.
        """
        counts = {split: [count for count, _ in classes.values()] for split, classes in self.counted.items()}
        return DatasetSpec(
            name=self.subset.name if self.archive is None else self.archive.name + self._scale(),
            recipe=RECIPE,
            num_classes=len(self.subset.classes),
            image_size=image_size,
            channels=3,
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            sizes={split: sum(numbers) for split, numbers in counts.items()},
            class_counts=tuple(counts["train"]),
            fingerprint=digest_of([FORMAT, self.counted, image_size]),
            class_names=tuple(name for _, _, name in self.subset.classes),
            imagenet_classes=tuple(number for _, number, _ in self.subset.classes),
        )

    def open(self, split: Split, image_size: int) -> Examples:
        """Open one split."""
        from ddbench_datasets.examples import open_source

        frame = Frame(image_size, 3, convert=True, like=None, fit="adm")
        return open_source(synsets.files(self.root, split, self.subset.wnids), frame)

    def _scale(self) -> str:
        """Return what fastai adds to the archive's name: no image is larger. The first of each class tells it."""
        files = synsets.files(self.root, "test", self.subset.wnids)
        firsts = np.unique(files.labels, return_index=True)[1].tolist()
        side = max(_side(files, first) for first in firsts)
        return next((f"-{scaled}" for scaled in sorted(SCALED) if side <= scaled), "")


def find(subset: Subset, path: str | None, layout: Layout | None, place: Place) -> Copy:
    """Find a copy in the folder that the user named, else in the first of the usual ones.

    Raises:
        UserError: it is missing, or not complete.
    """
    root = _usual(subset, layout, place.root) if path is None else locate(path, place)
    counted = synsets.count(subset.name, root, place.cache, subset.wnids)
    copy = Copy(subset, root, subset.archive if (layout or _told(counted)) == "fastai" else None, counted)
    _require_complete(copy)
    return copy


def _usual(subset: Subset, layout: Layout | None, root: Path) -> Path:
    folders, advice = [], []
    if layout != "fastai":
        folders, advice = [IMAGENET], [FETCH]
    if subset.archive is not None and layout != "imagenet1k":
        name = subset.archive.name
        folders += [name, *(f"{name}-{scaled}" for scaled in SCALED)]
        advice.append(UNPACK.format(name))
    found = next((root / folder for folder in folders if (root / folder).is_dir()), None)
    if found is None:
        missing = f"{subset.name} is missing: no folder {' or '.join(folders)} in {root}"
        raise UserError(f"{missing}; {', or '.join(advice)} there, or name another with {subset.name}[path=...]")
    return found


def _told(counted: Counted) -> Layout:
    """Return whose split this is, by the number of test images."""
    return "fastai" if any(count > EXPECTED.val[1] for count, _ in counted["test"].values()) else "imagenet1k"


def _require_complete(copy: Copy) -> None:
    title, again = copy.subset.name, "copy what is wrong again"
    if copy.archive is not None:
        title = copy.archive.name
        again = f"unpack {title}.tgz again; ImageNet-1K's own split is read with layout=imagenet1k"
    elif copy.subset.archive is not None:
        again += f"; the split of {copy.subset.archive.name} is read with layout=fastai"
    require_complete(title, copy.root, [*_missing(copy)] or _miscounted(copy), again)


def _missing(copy: Copy) -> Iterator[str]:
    for split, classes in copy.counted.items():
        lacking = [wnid for wnid in copy.subset.wnids if wnid not in classes]
        if lacking:
            yield f"{synsets.FOLDERS[split]} has no class folder {listed(lacking)}"


def _miscounted(copy: Copy) -> Iterator[str]:
    """Tell which classes have too few or too many images; where none has, what the classes of a split have."""
    train, val = ({wnid: count for wnid, (count, _) in classes.items()} for classes in copy.counted.values())
    if copy.archive is not None:
        yield _off("train", train, copy.archive.train)
        yield _off("val", val, copy.archive.val)
        return
    short = [shortfall("train", train, EXPECTED.train), shortfall("val", val, EXPECTED.val)]
    yield from short
    if copy.subset.archive is not None and not any(short):
        pooled = copy.subset.archive.train + copy.subset.archive.val  # fastai split the images of both splits anew
        yield _off("train", train, pooled - sum(val.values()))


def _off(folder: str, counts: Mapping[str, int], total: int) -> str:
    found = sum(counts.values())
    each = ", ".join(f"{count} in {wnid}" for wnid, count in counts.items())
    return f"{folder} has {found} of {total} images ({each})" if found != total else ""


def _side(files: Files, index: int) -> int:
    with blaming(files, index):
        return shorter_side(content(files.where(index)))
