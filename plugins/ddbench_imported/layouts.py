"""Which layout a set has, told from its files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ddbench.errors import UserError
from ddbench_imported import saved
from ddbench_imported.source import within

if TYPE_CHECKING:
    from ddbench_imported.source import Layout, Source

_KNOWN = "folders of images, one a class; .pt files of tensors; parquet files; .tar shards"
_FILES: dict[str, Layout] = {
    **dict.fromkeys(saved.SUFFIXES, "tensors"),
    ".parquet": "parquet",
    ".tar": "webdataset",
}


def locate(path: str) -> Path:
    """Return the set's folder or file.

    Raises:
        UserError: there is none.
    """
    root = Path(path).expanduser()
    if not root.exists():
        raise UserError(f"no folder or file '{path}': name where the images lie")
    return root


def open_set(root: Path, layout: Layout | None, experiment: int | None) -> Source:
    """List a set's images and their classes, in a layout or in that which its files have.

    Raises:
        UserError: the files are of no layout, or cannot be read.
    """
    layout = layout or _detected(root)
    if experiment is not None and layout != "tensors":
        raise UserError(f"{root} is of layout {layout}: experiment= chooses within .pt files, leave it out")
    if layout in {"tensors", "parquet", "webdataset"}:
        return _of_files(root, layout, experiment)
    if not root.is_dir():
        raise UserError(f"{root} is a file, no folder of layout {layout}: correct path= or layout=")
    from ddbench_imported.folders import open_folders

    return open_folders(root, layout)


def _detected(root: Path) -> Layout:
    if root.is_file():
        if root.suffix not in _FILES:
            raise UserError(f"{root} is of no layout: expected {_KNOWN}")
        return _FILES[root.suffix]
    from ddbench_imported.folders import layout_of

    found = {layout for suffix, layout in _FILES.items() if _with_suffix(root, suffix)}
    folders = None if found else layout_of(root)
    if len(found) > 1:
        raise UserError(f"{root} holds files of layouts {' and '.join(sorted(found))}: choose by layout=")
    if not found and folders is None:
        raise UserError(f"{root} holds no distilled set: expected {_KNOWN}")
    return found.pop() if found else folders  # type: ignore[return-value]  # one of both is there


def _with_suffix(root: Path, suffix: str) -> list[Path]:
    """Return the files of a folder with an ending; of parquet files also those in its folder ``data``."""
    folders = (root, root / "data") if suffix == ".parquet" else (root,)
    found = next(filter(None, (sorted(folder.glob(f"*{suffix}")) for folder in folders)), [])
    return [within(root, path) for path in found if not path.name.startswith(".")]


def _of_files(root: Path, layout: Layout, experiment: int | None) -> Source:
    suffixes = [suffix for suffix, known in _FILES.items() if known == layout]
    paths = [root] if root.is_file() else [path for suffix in suffixes for path in _with_suffix(root, suffix)]
    if not paths:
        raise UserError(f"{root} holds no files of layout {layout}: correct path= or layout=")
    if layout == "tensors":
        from ddbench_imported.tensors import open_tensors

        return open_tensors(_pair_or_one(root, paths), experiment)
    if layout == "webdataset":
        from ddbench_imported.shards import open_shards

        return open_shards(root, paths)
    from ddbench_imported.rows import open_rows

    return open_rows(root, [path for path in paths if path.name.startswith("train")] or paths)


def _pair_or_one(root: Path, paths: list[Path]) -> tuple[Path, ...]:
    """Return MTT's two files where they are there, else the only one."""
    pair = tuple(root / name for name in saved.PAIR)
    if all(path in paths for path in pair):
        return pair
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths[:3])
        raise UserError(f"{root} holds {len(paths)} files of tensors ({names}): name the one that holds the set")
    return tuple(paths)
