"""Sets in tar files, as WebDataset keeps them: ``000000.png`` and ``000000.cls``, one after the other."""

from __future__ import annotations

import functools
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ddbench.errors import UserError
from ddbench_imported import beside
from ddbench_imported.pictures import SUFFIXES
from ddbench_imported.source import Encoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CLASS = ".cls"
_DIGITS = 9  # of a class
_LONGEST = 2**28  # bytes of one image file: a tar may claim anything


def open_shards(root: Path, paths: Sequence[Path]) -> Encoded:
    """Read the labels of shards; images keep the shards' order, shards that of their names.

    Raises:
        UserError: a shard is no tar file, an image has no class, or a class is no whole number.
    """
    named = [(path, name, label) for path in paths for name, label in _labels(path)]
    values = [label for _, _, label in named]
    numbers, labels = np.unique(np.array(values, np.int64), return_inverse=True)
    files, names = (*paths, *beside.files(root)), tuple(map(str, numbers))
    return Encoded(
        "webdataset", files, names, labels.astype(np.int64), lambda: _images(paths),
        lambda index: f"{named[index][1]} in {named[index][0]}", functools.partial(beside.read, root),
    )  # fmt: skip


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as file:
            yield file
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(f"{path} cannot be read as a tar file ({error}): replace it") from error


def _members(path: Path, *suffixes: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files with some endings, which are never unpacked to disk."""
    with _opened(path) as file:
        for member in file:
            if not (member.isfile() and member.name.lower().endswith(suffixes)):
                continue
            if member.size > _LONGEST:
                raise UserError(f"{member.name} in {path} has {member.size} bytes, too many for an image: remove it")
            content = file.extractfile(member)
            assert content is not None  # it is a file
            yield member.name, content.read()


def _labels(path: Path) -> list[tuple[str, int]]:
    """Return name and class of every image, in the shard's order."""
    classes, images = {}, []
    for name, content in _members(path, CLASS, *SUFFIXES):
        if name.lower().endswith(CLASS):
            classes[_stem(name)] = _number(content, f"{name} in {path}")
        else:
            images.append(name)
    alone = [name for name in images if _stem(name) not in classes]
    if alone:
        raise UserError(f"{alone[0]} in {path} has no class: expected a file {_stem(alone[0])}{CLASS} beside it")
    return [(name, classes[_stem(name)]) for name in images]


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _number(content: bytes, where: str) -> int:
    text = content.strip()
    if not text.isdigit() or len(text) > _DIGITS:
        raise UserError(f"{where} holds no whole number: classes are numbers from 0")
    return int(text)


def _images(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        yield from (content for _, content in _members(path, *SUFFIXES))
