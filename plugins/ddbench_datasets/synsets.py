"""Images of ImageNet in ``train/<WNID>/`` and ``val/<WNID>/``, as torchvision and fastai lay them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddbench.errors import UserError
from ddbench_datasets.census import census, names_in
from ddbench_datasets.files import is_image, labelled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ddbench.types import Split
    from ddbench_datasets.files import Files

    Counted = dict[str, dict[str, tuple[int, str]]]

FOLDERS = {"train": "train", "test": "val"}
LAYOUT = "train/<WNID>/ and val/<WNID>/ with the images of ILSVRC 2012"
SORT = "sort its images into val/<WNID>/, as torchvision.datasets.ImageNet(root, split='val') does"


def count(name: str, root: Path, cache: Path, only: Sequence[str] | None = None) -> Counted:
    """Return a census of both splits, in the order of the WNIDs, or of those of ``only`` that are there.

    Raises:
        UserError: there is no such split, or its images lie outside of class folders; ``name`` is the data set's.
    """
    for folder in FOLDERS.values():
        if not (root / folder).is_dir():
            raise UserError(f"{name} in {root} has no folder {folder}: expected {LAYOUT}")
    counted = {split: census(root / folder, cache, only) for split, folder in FOLDERS.items()}
    if not counted["test"] and any(is_image(path.name) for path in (root / "val").iterdir()):
        raise UserError(f"{name} in {root} has no class folders in val: {SORT}")
    return counted


def files(root: Path, split: Split, wnids: Sequence[str]) -> Files:
    """List the images of one split, labelled by the place of their WNID among those given.

    Raises:
        UserError: a folder cannot be read.
    """
    folder = root / FOLDERS[split]
    images = zip(wnids, names_in(folder, wnids), strict=True)
    return labelled(folder, [[f"{wnid}/{name}" for name in names] for wnid, names in images])
