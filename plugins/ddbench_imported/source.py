"""A set as it lies on disk: what it calls its classes, and its images one after the other."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch

from ddbench.errors import UserError
from ddbench_imported import pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from torch import Tensor

    from ddbench_imported.pictures import Frame

    Labels = npt.NDArray[np.int64]

Layout = Literal["sre2l", "numbered", "folder", "tensors", "parquet", "webdataset"]
AT_ONCE = 256  # images in memory together: 40 MB at 224 pixels
_SUM = 1e-2  # how far the sum of a row may be from 1: float16 rounds each of a thousand probabilities


@dataclass(frozen=True)
class Soft:
    """Soft labels as they came with a set, a row an image in reading order.

    Attributes:
        rows: probabilities or logits, (N, number of classes), of a floating type.
        where: names the file.
        classes: names of the columns' classes; empty where columns are numbered as the set's labels are.
        temperature: at which probabilities were taken; None where nobody says.
        labels: the number of each image's class, int64 (N,), where the file has that too.
    """

    rows: Tensor
    where: str
    classes: tuple[str, ...] = ()
    temperature: float | None = None
    labels: Tensor | None = None

    @property
    def values(self) -> Literal["probabilities", "logits"]:
        """What the rows look like: probabilities where every row is one, up to rounding."""
        sums = self.rows.double().sum(1)
        return "probabilities" if bool(((self.rows >= 0).all(1) & ((sums - 1).abs() <= _SUM)).all()) else "logits"


class Source(Protocol):
    """A set in one of the layouts."""

    @property
    def layout(self) -> Layout:
        """Which layout it has."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """All files whose content counts, in a fixed order."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What the set calls its classes."""
        ...

    @property
    def labels(self) -> Labels:
        """Index into ``names`` of every image, in reading order."""
        ...

    def pixels(self, frame: Frame) -> str:
        """Say how pixels are stored, where that is not plain.

        Raises:
            UserError: an image does not fit the frame, as far as that shows without decoding it.
        """
        ...

    def blocks(self, frame: Frame) -> Iterator[Tensor]:
        """Yield all images in reading order, some at a time: uint8 (B, C, H, W).

        Raises:
            UserError: an image does not decode or does not fit the frame.
        """
        ...

    def soft(self) -> Soft | None:
        """Return the soft labels that came with the images, if any did."""
        ...

    def ranked(self, ranks: Sequence[int]) -> Source:
        """Return the set with classes read in the order of their ranks, where its files have no order of their own."""
        ...


@dataclass(frozen=True)
class Encoded:
    """A set of encoded images (:class:`Source`).

    ``read`` yields their bytes, ``where`` names one of them, ``again`` lists them in another order of classes.
    """

    layout: Layout
    files: tuple[Path, ...]
    names: tuple[str, ...]
    labels: Labels
    read: Callable[[], Iterable[bytes]]
    where: Callable[[int], str]
    soft: Callable[[], Soft | None]
    again: Callable[[Sequence[int]], Encoded] | None = None

    def ranked(self, ranks: Sequence[int]) -> Source:
        """Return the set with its classes in another order; rows and shards keep theirs."""
        return self if self.again is None else self.again(ranks)

    def pixels(self, frame: Frame) -> str:
        """Read the header of every image."""
        for index, data in enumerate(self.read()):
            pictures.inspect(data, frame, self.where(index))
        return ""

    def blocks(self, frame: Frame) -> Iterator[Tensor]:
        """Decode the images."""
        block: list[npt.NDArray[np.uint8]] = []
        for index, data in enumerate(self.read()):
            block.append(pictures.load(data, frame, self.where(index)))
            if len(block) == AT_ONCE or index + 1 == len(self.labels):
                yield torch.from_numpy(np.stack(block))
                block = []


def content(source: Source, root: Path) -> str:
    """Return the SHA-256 of the names and contents of a set's files; where the set lies plays no part.

    Raises:
        UserError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in source.files:
        name = path.relative_to(root).as_posix() if path != root else path.suffix
        digest.update(f"{len(name.encode())} {name} ".encode())
        with reading(path), path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name a file that cannot be read, and say why."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}): mend or remove it") from error


def within(root: Path, path: Path) -> Path:
    """Return a path, unless it is a link that leads out of the set's folder.

    Raises:
        UserError: it does.
    """
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{path} is a link that leads outside {root}: copy what it points to in its place")
    return path
