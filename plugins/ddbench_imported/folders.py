"""Sets with a folder a class: ImageFolder's, and those of SRe2L, DWA, RDED and Minimax."""

from __future__ import annotations

import functools
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ddbench.errors import UserError
from ddbench_imported import beside
from ddbench_imported.pictures import SUFFIXES
from ddbench_imported.source import Encoded, reading, within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ddbench_imported.source import Layout

NAMES = {"sre2l": re.compile(r"new(\d+)"), "numbered": re.compile(r"(\d+)")}
"""What folders are called in the layouts that number their classes."""

_FILE = re.compile(r"class(\d+)_id(\d+)\.\w+")


def layout_of(root: Path) -> Layout | None:
    """Tell which layout the class folders in a folder have; None where there are none."""
    names = _folders(root)
    for layout, pattern in NAMES.items():
        if names and all(pattern.fullmatch(name) for name in names):
            return layout  # type: ignore[return-value]  # the keys are layouts
    return "folder" if names else None


def open_folders(root: Path, layout: Layout, ranks: Sequence[int] | None = None) -> Encoded:
    """List a set with a folder a class; images may lie deeper.

    Images are read index by index: the first of every class, then the second of every class. Classes come in the order
    of their ranks, else of their folders' names; images of a class in that of their files', numbers in names by value.

    Raises:
        UserError: there is no class folder or no image, a name is not of the layout, or a link leads outside.
    """
    names = tuple(_folders(root))
    _require_layout(root, names, layout)
    files = [sorted(_images(root, root / name), key=_natural) for name in names]
    if not any(files):
        raise UserError(f"{root} holds no images: expected folders of {', '.join(SUFFIXES)} files, one folder a class")
    if layout in NAMES:
        _require_files_of_class(names, files)
    ranks = range(len(names)) if ranks is None else ranks
    order = sorted((index, ranks[name], name) for name, paths in enumerate(files) for index in range(len(paths)))
    paths = tuple(files[name][index] for index, _, name in order)
    labels = np.array([name for _, _, name in order], np.int64)
    return Encoded(
        layout, (*paths, *beside.files(root)), names, labels, lambda: _read(paths), lambda index: str(paths[index]),
        functools.partial(beside.read, root), functools.partial(open_folders, root, layout),
    )  # fmt: skip


def _folders(root: Path) -> list[str]:
    with reading(root), os.scandir(root) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    return sorted((within(root, root / name).name for name in names), key=_natural)


def _natural(path: Path | str) -> tuple[tuple[int, str], ...]:
    """Return what sorts names with numbers by value: ``9.png`` before ``10.png``."""
    parts = re.split(r"(\d+)", str(path))
    return tuple((int(part), part) if part.isdecimal() else (-1, part) for part in parts)


def _images(root: Path, folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            within(root, Path(parent) / name)
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield within(root, Path(parent) / name)


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename} cannot be read ({error.strerror}): mend or remove it") from error


def _read(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        with reading(path):
            data = path.read_bytes()
        yield data


def _require_layout(root: Path, names: Sequence[str], layout: Layout) -> None:
    if not names:
        raise UserError(f"{root} holds no class folders: name the folder in which they lie")
    wrong = [name for name in names if layout in NAMES and not NAMES[layout].fullmatch(name)]
    if wrong:
        raise UserError(f"folder '{wrong[0]}' in {root} is not of layout {layout}: take layout=folder")


def _require_files_of_class(names: Sequence[str], files: Sequence[Sequence[Path]]) -> None:
    """Check that ``class007_id003.jpg`` lies in the folder of class 7, and that no image is there twice."""
    for name, paths in zip(names, files, strict=True):
        seen: dict[int, Path] = {}
        for path in paths:
            found = _FILE.fullmatch(path.name)
            if found is None:
                continue
            if int(found[1]) != int(name.removeprefix("new")):
                raise UserError(f"{path} is of class {int(found[1])} by its name, and lies in folder '{name}': move it")
            if seen.setdefault(int(found[2]), path) != path:
                raise UserError(f"{path} and {seen[int(found[2])].name} are one image by their names: remove one")


def unequal(names: Sequence[str], labels: Sequence[int]) -> defaultdict[int, list[str]]:
    """Return the names of classes by how many images they have."""
    counts = np.bincount(labels, minlength=len(names)).tolist()
    found: defaultdict[int, list[str]] = defaultdict(list)
    for name, count in zip(names, counts, strict=True):
        found[count].append(name)
    return found
