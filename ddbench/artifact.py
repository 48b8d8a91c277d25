"""One stage's outcome on disk: a folder of safetensors files and their meta, checksummed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddbench.errors import CorruptArtifactError, UserError
from ddbench.keys import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

META = "meta.json"
_SUFFIX = ".safetensors"
_FILE = re.compile(r"\w[\w.-]*")
_LOST = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO}  # what else keeps a file from being read can be mended


@dataclass(frozen=True, slots=True)
class Artifact:
    """Where one stage's outcome lies."""

    kind: str
    key: str
    folder: Path

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return weight(self.folder.glob("*"))

    @property
    def changed(self) -> float:
        """When it came here, in seconds of the epoch; infinity for what has just gone."""
        with contextlib.suppress(FileNotFoundError):
            return self.folder.stat().st_mtime
        return math.inf

    def meta(self) -> dict[str, Any]:
        """Return what was stored beside the tensors.

        Raises:
            CorruptArtifactError: the file does not match its own checksum.
        """
        return opened(_read(self.folder / META), str(self.folder / META))

    def glance(self) -> dict[str, Any]:
        """Return the meta; files are read only where one is not as large as it was, or younger than the meta.

        The meta is the last file to be written, so that every edit shows. What rots unseen does not: it is found when a
        stage reads it.

        Raises:
            CorruptArtifactError: as ``verify``.
        """
        meta = self.meta()
        try:
            written = (self.folder / META).stat().st_mtime_ns
            found = {name: (self.folder / name).stat() for name in meta["files"]}
        except OSError:
            return self.verify()
        sizes = all(found[name].st_size == expected["bytes"] for name, expected in meta["files"].items())
        return meta if sizes and all(status.st_mtime_ns <= written for status in found.values()) else self.verify()

    def verify(self) -> dict[str, Any]:
        """Read every byte and compare checksums; returns the meta.

        Raises:
            CorruptArtifactError: a file is missing, unreadable or differs.
        """
        meta = self.meta()
        for name, expected in meta["files"].items():
            if _sha256(self.folder / name) != expected["sha256"]:
                raise CorruptArtifactError(f"{self.folder / name} does not match its checksum")
        return meta

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Load one file of tensors, its checksum verified, on the CPU.

        Raises:
            CorruptArtifactError: the file is missing, unreadable or differs.
        """
        from safetensors.torch import load

        path = self.folder / f"{name}{_SUFFIX}"
        expected = self.meta()["files"].get(path.name)
        content = _read(path)
        if expected is None or hashlib.sha256(content).hexdigest() != expected["sha256"]:
            raise CorruptArtifactError(f"{path} does not match its checksum")
        tensors: dict[str, Tensor] = load(content)
        return tensors


@dataclass
class Draft:
    """An artifact being written; nobody sees it before ``Store.commit``."""

    store: Path
    folder: Path
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def save(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Write tensors under a name of letters, digits and dashes.

        Raises:
            UserError: the disk is full, say.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        path = self.folder / f"{name}{_SUFFIX}"
        content = {key: value.contiguous().cpu() for key, value in tensors.items()}
        try:
            with writing(self.store):
                save_file(content, path)
                share(path)
                sync(path)
        except SafetensorError as error:  # its form of an OSError
            raise UserError(_unwritten(self.store, str(error).rpartition("rror: ")[2])) from None
        self.files[path.name] = {"sha256": _sha256(path), "bytes": path.stat().st_size}

    def seal(self, meta: Mapping[str, Any]) -> dict[str, Any]:
        """Write the meta, the last of the files; returns it as it will be read.

        Raises:
            UserError: the disk is full, say.
        """
        document = json.loads(json.dumps({**meta, "files": self.files}))
        path = self.folder / META
        with writing(self.store):
            path.write_bytes(closed(document))
            sync(path)
        return document  # type: ignore[no-any-return]


def closed(document: Mapping[str, Any]) -> bytes:
    """Return a meta as the content of a file, its checksum in it."""
    return json.dumps({**document, "checksum": digest(document)}, indent=1, sort_keys=True).encode()


def opened(content: bytes, called: str) -> dict[str, Any]:
    """Return the meta in a file's content, its checksum verified.

    Raises:
        CorruptArtifactError: it is no meta, or does not match its own checksum.
    """
    try:
        document = json.loads(content)
        checksum, found = document.pop("checksum"), digest(document)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise CorruptArtifactError(f"{called} cannot be read: {error}") from error
    if found != checksum:
        raise CorruptArtifactError(f"{called} does not match its checksum")
    if not _are_files(document.get("files")):
        raise CorruptArtifactError(f"{called} does not say what its files are")
    return document  # type: ignore[no-any-return]


def _are_files(found: Any) -> bool:
    """Tell whether a meta names files, none of them elsewhere, as that of a stranger's store might."""
    return isinstance(found, dict) and all(
        _FILE.fullmatch(name)
        and isinstance(file, dict)
        and isinstance(file.get("sha256"), str)
        and isinstance(file.get("bytes"), int)
        for name, file in found.items()
    )


def weight(paths: Iterable[Path]) -> int:
    """Return the bytes of the files among some paths; what has just gone weighs nothing."""
    nbytes = 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            nbytes += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return nbytes


@contextlib.contextmanager
def writing(store: Path) -> Iterator[None]:
    """Turn what the system objects to into one line for the user.

    Raises:
        UserError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise UserError(_unwritten(store, error.strerror or str(error))) from None


def _unwritten(store: Path, reason: str) -> str:
    return f"the store {store} cannot be written: {reason}; mend that and run again, what it holds is kept"


def share(path: Path) -> None:
    """Let others read a file as they may its folder: safetensors lets nobody, whatever the umask."""
    with contextlib.suppress(OSError):  # a file system without permissions
        path.chmod(path.parent.stat().st_mode & 0o666)


def sync(path: Path) -> None:
    """Force a file's or folder's content to the disk, so that a rename never outruns it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tell what is lost from what can be read as soon as the user has mended something.

    Raises:
        CorruptArtifactError: in place of an OSError that says so.
        UserError: in place of another: permissions, too many open files, a network drive that went.
    """
    try:
        yield
    except OSError as error:
        reason = f"{path} cannot be read: {error.strerror or error}"
        if error.errno in _LOST:
            raise CorruptArtifactError(reason) from error
        raise UserError(f"{reason}; mend that and run again, nothing of it is lost") from None


def _read(path: Path) -> bytes:
    with reading(path), path.open("rb") as file:
        return file.read()


def _sha256(path: Path) -> str:
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
