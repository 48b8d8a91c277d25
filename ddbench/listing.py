"""The result files of a folder as the file system lists them, with what tells that one has changed."""

from __future__ import annotations

import os
import stat
import time
from array import array
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from ddbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

MARKS = ("size", "modified", "changed")
_DEEPEST = 100  # folders below each other
_NOT_THERE = (0, -1, 0, 0)  # of a link to nothing or to itself: reading it says what is wrong


@dataclass(frozen=True)
class Listing:
    """Result files under a folder, sorted by its folders' names and theirs; their content is not looked at.

    Attributes:
        folder: whose they are.
        paths: below the folder.
        marks: ``MARKS`` of each file, one after the other: bytes, and when its content and its entry last changed, in
            nanoseconds. No program can set the latter: an edit shows, whatever time it pretends.
        began: when the listing was begun, in nanoseconds.
    """

    folder: Path
    paths: list[str] = field(default_factory=list)
    marks: array[int] = field(default_factory=lambda: array("q"))
    began: int = field(default_factory=time.time_ns)

    def place(self, number: int) -> Path:
        """Return where a file is."""
        return Path(self.folder, self.paths[number])


def _refuse(error: UserError) -> None:
    raise error


def listing(folder: Path, on_bad: Callable[[UserError], None] = _refuse) -> Listing:
    """List the result files under a folder; links to folders are followed, each folder once.

    What begins with a dot is passed over. ``on_bad`` hears of folders below that cannot be read.

    Raises:
        UserError: no such folder, or unless ``on_bad`` says otherwise, one below cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"no results folder {folder}; 'ddbench run' makes one")
    found = Listing(folder)
    seen: set[tuple[int, int]] = set()

    def walk(place: str, below: str) -> None:
        try:
            status, entries = Path(place).stat(), _entries(place)
        except OSError as error:
            what = f"results folder {error.filename} cannot be read: {error.strerror}; its results are missing"
            return on_bad(UserError(what))
        if below.count("/") > _DEEPEST:
            return on_bad(UserError(f"results folder {place} lies too deep to be one; its results are missing"))
        if (status.st_dev, status.st_ino) in seen:
            return None
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            mode, *marks = _status(entry)
            if stat.S_ISDIR(mode):
                walk(entry.path, f"{below}{entry.name}/")
            elif entry.name.endswith(".json"):
                found.paths.append(below + entry.name)
                found.marks.extend(marks)
        return None

    walk(str(folder), "")
    return found


def files(folder: Path, on_bad: Callable[[UserError], None] = _refuse) -> list[Path]:
    """Return where the result files under a folder are; otherwise as ``listing``."""
    listed = listing(folder, on_bad)
    return [listed.place(number) for number in range(len(listed.paths))]


def _entries(place: str) -> list[os.DirEntry[str]]:
    with os.scandir(place) as found:
        return sorted([entry for entry in found if entry.name[0] != "."], key=attrgetter("name"))


def _status(entry: os.DirEntry[str]) -> tuple[int, int, int, int]:
    try:
        status = entry.stat()
    except OSError:
        return _NOT_THERE
    return status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns
