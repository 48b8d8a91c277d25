"""Images in parquet files, as the Hugging Face Hub keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from ddbench.errors import UserError
from ddbench_datasets.collection import Collection, locate, require_labels
from ddbench_datasets.description import TEST_NAMES, describe, frame_of, require_sound
from ddbench_datasets.shards import Rows, class_names, read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from ddbench.types import DatasetSpec, Examples, Place, Split


@dataclass(frozen=True)
class Parquet:
    """Images in ``train.parquet`` and ``test.parquet``, or in shards, with one row an image.

    Source: the layout of data sets on the Hugging Face Hub (docs, "Structure your repository"): shards are called
    ``train-*.parquet``, may lie in a folder ``data``, and hold each image as the bytes of a file, alone or beside
    its path. Names of classes come from that habit's ``ClassLabel`` metadata, else they are numbers. Statistics
    are measured once and remembered, and so is that every image decodes. Splits of less than 512 MiB of pixels stay
    in memory once decoded; larger ones stream by row groups, best of some hundred rows.

    Attributes:
        path: the folder; relative to the root of data sets, else to the working directory.
        name: what tables call the data set; default: the folder's own name, other signs than a-z 0-9 _ . + made -.
        recipe: whose hyper-parameters components fall back on; default: the name.
        test: which files are the test split; default: the first of test, val, validation that is there.
        image_column: the column of encoded images.
        label_column: the column of whole numbers from 0.
        size: height and width in pixels. The square in the centre, its side the image's shorter side (7/8 of it
            for sizes from 96 up: the field's 224 of 256), is resized, bilinearly with antialiasing, in both
            splits. Default: images must all have one square size, and keep it.
        channels: 3 for colour, 1 for grey.
        convert: turn grey images into colour and colour into grey, instead of refusing them. ImageNet-1K needs it.
        mean: per channel, of pixel values in [0, 1]; default: measured on the training split.
        std: per channel, likewise.
    """

    version: ClassVar[int] = 1

    path: str
    name: str | None = None
    recipe: str | None = None
    test: str | None = None
    image_column: str = "image"
    label_column: str = "label"
    size: Annotated[int, Ge(1)] | None = None
    channels: Literal[1, 3] = 3
    convert: bool = False
    mean: tuple[Annotated[float, Ge(0), Le(1)], ...] | None = None
    std: tuple[Annotated[float, Gt(0)], ...] | None = None

    def __post_init__(self) -> None:
        require_sound(self)

    def spec(self, place: Place) -> DatasetSpec:
        """Describe the data; the first time, every image is decoded.

        Raises:
            UserError: a folder, split, column or image is missing or cannot be used.
        """
        return describe(find(self, place), self, place, self.image_column, self.label_column)

    def open(self, split: Split, place: Place) -> Examples:
        """Open one split.

        Raises:
            UserError: as in ``spec``.
        """
        from ddbench_datasets.examples import open_source

        collection = find(self, place)
        return open_source(getattr(collection, split), frame_of(collection, self))


def find(options: Parquet, place: Place) -> Collection:
    """Read the labels of both splits.

    Raises:
        UserError: a folder, split or column is missing, a label is out of range, a class is empty.
    """
    root = locate(options.path, place)
    shards = [_shards(root, names) for names in (("train",), (options.test,) if options.test else TEST_NAMES)]
    train, test = (read_rows(files, options.image_column, options.label_column) for files in shards)
    names = class_names(shards[0][0], options.label_column) or _numbers(train)
    for rows in (train, test):
        require_labels(rows.labels, names, rows.place)
    files = tuple(path.relative_to(root).as_posix() for split in shards for path in split)
    return Collection(root, files, train, test, names)


def _shards(root: Path, names: tuple[str, ...]) -> list[Path]:
    for name in names:
        for folder in (root, root / "data"):
            whole = folder / f"{name}.parquet"
            found = [whole] if whole.is_file() else sorted(folder.glob(f"{name}-*.parquet"))
            if found:
                return found
    wanted = " or ".join(f"{name}.parquet" for name in names)
    raise UserError(
        f"no {wanted}, nor shards such as {names[0]}-00000-of-00001.parquet, in {root}: correct path= or test="
    )


def _numbers(train: Rows) -> tuple[str, ...]:
    """Name classes by their numbers: as many as the largest label says, but no more than there are images."""
    count = int(train.labels.max(initial=-1)) + 1
    return tuple(str(label) for label in range(min(count, len(train.labels))))
