"""The store: key to folder, each written aside, checksummed, and moved into place at once.

``<root>/<kind>/<first two digits>/<key>/`` holds ``meta.json`` and safetensors files. A folder is there whole or not at
all: a killed process leaves only a draft under ``drafts/``, swept by the next who computes that key.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ddbench.errors import CorruptArtifactError, UserError
from ddbench.keys import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

META = "meta.json"
_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class Artifact:
    """Where one stage's outcome lies."""

    kind: str
    key: str
    folder: Path

    @property
    def nbytes(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.folder.iterdir())

    def meta(self) -> dict[str, Any]:
        """Return what was stored beside the tensors.

        Raises:
            CorruptArtifactError: the file does not match its own checksum.
        """
        try:
            document = json.loads((self.folder / META).read_bytes())
            checksum, found = document.pop("checksum"), digest(document)
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise CorruptArtifactError(f"{self.folder / META} cannot be read: {error}") from error
        if found != checksum:
            raise CorruptArtifactError(f"{self.folder / META} does not match its checksum")
        return document  # type: ignore[no-any-return]

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

    folder: Path
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def save(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Write tensors under a name of letters, digits and dashes."""
        from safetensors.torch import save_file

        path = self.folder / f"{name}{_SUFFIX}"
        save_file({key: value.contiguous().cpu() for key, value in tensors.items()}, path)
        _sync(path)
        self.files[path.name] = {"sha256": _sha256(path), "bytes": path.stat().st_size}


class Store:
    """A folder of artifacts, shared by any number of runs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def artifact(self, kind: str, key: str) -> Artifact:
        """Name the place of a key, whether it is there or not."""
        return Artifact(kind, key, self.root / kind / key[:2] / key)

    def has(self, kind: str, key: str) -> bool:
        """Tell whether an artifact is there; its content is not looked at."""
        return (self.artifact(kind, key).folder / META).is_file()

    def lock(self, key: str) -> FileLock:
        """Return the lock under which a key is computed; the system frees it when its holder dies."""
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / key)

    def draft(self, key: str) -> Draft:
        """Begin an artifact, its lock held; what a killed process left of the same key is swept."""
        drafts = self.root / "drafts"
        drafts.mkdir(parents=True, exist_ok=True)
        for leftover in drafts.glob(f"{key}.*"):
            shutil.rmtree(leftover, ignore_errors=True)
        folder = drafts / f"{key}.{uuid.uuid4().hex}"
        folder.mkdir()
        return Draft(folder)

    def workspace(self, key: str) -> Path:
        """Return a folder for what a stage keeps until it is committed, and after a kill too; its lock is held."""
        folder = self._workspace(key)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def workspaces_older_than(self, limit: float) -> list[str]:
        """Return the keys of workspaces in which nothing has changed since a time, in seconds of the epoch."""
        folders = (folder for folder in (self.root / "workspaces").glob("*") if folder.is_dir())
        return sorted(folder.name for folder in folders if _last_change(folder) < limit)

    def workspace_bytes(self) -> int:
        """Return the bytes in all workspaces."""
        return sum(file.stat().st_size for file in (self.root / "workspaces").rglob("*") if file.is_file())

    def abandon(self, key: str) -> bool:
        """Delete a workspace, unless somebody is just computing its stage; tells whether it did."""
        try:
            with self.lock(key).acquire(blocking=False):
                shutil.rmtree(self._workspace(key), ignore_errors=True)
        except Timeout:
            return False
        return True

    def _workspace(self, key: str) -> Path:
        return self.root / "workspaces" / key

    def commit(self, draft: Draft, kind: str, key: str, meta: Mapping[str, Any]) -> dict[str, Any]:
        """Move a finished draft into place, all of it or nothing; returns the meta as stored. The workspace goes."""
        document = json.loads(json.dumps({**meta, "files": draft.files}))
        path = draft.folder / META
        path.write_text(
            json.dumps({**document, "checksum": digest(document)}, indent=1, sort_keys=True), encoding="utf-8"
        )
        _sync(path)
        place = self.artifact(kind, key).folder
        place.parent.mkdir(parents=True, exist_ok=True)
        self.remove(kind, key)  # what lies there without a meta is no artifact, and in the way
        draft.folder.rename(place)
        _sync(place.parent)
        shutil.rmtree(self._workspace(key), ignore_errors=True)
        return document  # type: ignore[no-any-return]

    def discard(self, draft: Draft) -> None:
        """Drop a draft whose stage failed."""
        shutil.rmtree(draft.folder, ignore_errors=True)

    def remove(self, kind: str, key: str) -> None:
        """Delete an artifact: first out of sight at once, then from the disk."""
        grave = self.root / "drafts" / f"{key}.{uuid.uuid4().hex}"
        grave.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.artifact(kind, key).folder.rename(grave)
        except FileNotFoundError:
            return
        shutil.rmtree(grave, ignore_errors=True)

    def artifacts(self) -> Iterator[Artifact]:
        """Yield every artifact, sorted by kind and key."""
        for meta in sorted(self.root.glob(f"*/??/*/{META}")):
            yield Artifact(meta.parent.parent.parent.name, meta.parent.name, meta.parent)

    def require_writable(self) -> None:
        """Raise a UserError if artifacts cannot be written here."""
        require_writable(self.root, "the store", "--store or DDBENCH_STORE")


def require_writable(folder: Path, what: str, option: str) -> None:
    """Raise a UserError unless files can be made in a folder; a missing folder is judged by its nearest parent."""
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return
    except OSError as error:
        raise UserError(f"{what} {folder} cannot be written: {error.strerror}; name another by {option}") from None


def default_root() -> Path:
    """Return the store's folder: ``DDBENCH_STORE``, else the user's cache folder."""
    from platformdirs import user_cache_path

    named = os.environ.get("DDBENCH_STORE")
    return Path(named).expanduser() if named else user_cache_path("ddbench") / "store"


def _last_change(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorruptArtifactError(f"{path} cannot be read: {error.strerror}") from error


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CorruptArtifactError(f"{path} cannot be read: {error.strerror}") from error


def _sync(path: Path) -> None:
    """Force a file's or folder's content to the disk, so that a rename never outruns it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
