"""The store: key to folder, each written aside, checksummed, and moved into place at once.

``<root>/<kind>/<first two digits>/<key>/`` holds ``meta.json`` and safetensors files. A folder is there whole or not at
all: a killed process leaves only a draft under ``drafts/``, swept by the next who computes that key. Of two who finish
one key the first wins, whether or not their locks reach each other, as on some network file systems they do not.
A store elsewhere, named by a URL, is ``ddbench.remote``'s; both have the same methods.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import shutil
import socket
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from filelock import FileLock, Timeout

from ddbench.artifact import META, Artifact, Draft, reading, sync, weight, writing
from ddbench.errors import CorruptArtifactError, UserError
from ddbench.keys import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ddbench.location import Location
    from ddbench.remote.store import RemoteStore

    AnyStore: TypeAlias = "Store | RemoteStore"

Name = tuple[str, str]
"""Kind and key of an artifact."""

STALE_SECONDS = 24 * 3600  # an older draft belongs to a process that has died
_ATTEMPTS = 3  # to put an artifact in place; each is lost only to another that just moved away what lay there


def open_store(place: Location, warn: Callable[[str], None] | None = None) -> AnyStore:
    """Return the store at a place; ``warn`` is told when it does not answer, where it is elsewhere.

    Raises:
        UserError: a package that its URL needs is missing.
    """
    if isinstance(place, Path):
        return Store(place)
    from ddbench.remote.store import RemoteStore

    return RemoteStore(place, warn)


class Store:
    """A folder of artifacts, shared by any number of runs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def location(self) -> Location:
        """Where it is, as the user named it."""
        return self.root

    @property
    def near(self) -> Store:
        """What of it lies on this machine: all."""
        return self

    def close(self) -> None:
        """Let go of what was read: nothing has to be held here."""

    def artifact(self, kind: str, key: str) -> Artifact:
        """Name the place of a key, whether it is there or not."""
        return Artifact(kind, key, self.root.joinpath(kind, key[:2], key))

    def has(self, kind: str, key: str) -> bool:
        """Tell whether an artifact is there; its content is not looked at."""
        file = self.artifact(kind, key).folder / META
        with reading(file):
            return file.is_file()

    def present(self, names: Iterable[Name]) -> set[Name]:
        """Return which artifacts of many are there, as ``has`` tells."""
        return {name for name in names if self.has(*name)}

    def find(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return the meta of an artifact, every byte verified, or None.

        Raises:
            CorruptArtifactError: it is there, and not sound.
        """
        return self.artifact(kind, key).verify() if self.has(kind, key) else None

    def glance(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return the meta of an artifact that was present, without a lock and mostly unread: ``Artifact.glance``.

        Raises:
            CorruptArtifactError: it is not sound.
        """
        return self.artifact(kind, key).glance()

    def lock(self, key: str) -> FileLock:
        """Return the lock under which a key is computed; the system frees it when its holder dies."""
        with writing(self.root):
            file = _lock_folder(self.root) / key
            file.touch()
        return FileLock(file)

    def is_locked(self, key: str) -> bool:
        """Tell whether somebody is just computing a key, here or where this store's folder is another's too."""
        path = _lock_folder(self.root) / key
        try:
            with FileLock(path).acquire(blocking=False) if path.exists() else contextlib.nullcontext():
                return False
        except Timeout:
            return True

    def draft(self, key: str) -> Draft:
        """Begin an artifact, its lock held; what a killed process left of the same key is swept."""
        drafts = self.root / "drafts"
        with writing(self.root):
            drafts.mkdir(parents=True, exist_ok=True)
            self._sweep(drafts.glob(f"{key}.{_machine()}.*"), math.inf)
            self._sweep(drafts.glob(f"{key}.*"), time.time() - STALE_SECONDS)
            folder = drafts / f"{key}.{_machine()}.{uuid.uuid4().hex}"
            folder.mkdir()
        return Draft(self.root, folder)

    def sweep(self, limit: float) -> int:
        """Delete the drafts in which nothing has changed since a time, in seconds of the epoch; returns how many.

        Those of a stage that is being computed stay: a teacher may train for days before it is written.
        """
        drafts = (self.root / "drafts").glob("*")
        return self._sweep((each for each in drafts if not self.is_locked(each.name.rsplit(".", 2)[0])), limit)

    def _sweep(self, folders: Iterable[Path], limit: float) -> int:
        old = [folder for folder in folders if _last_change(folder) <= limit]
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        return len(old)

    def workspace(self, key: str) -> Path:
        """Return a folder for what a stage keeps until it is committed, and after a kill too; its lock is held."""
        folder = self._workspace(key)
        with writing(self.root):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def workspaces_older_than(self, limit: float) -> list[str]:
        """Return the keys of workspaces in which nothing has changed since a time, in seconds of the epoch."""
        folders = (folder for folder in (self.root / "workspaces").glob("*") if folder.is_dir())
        return sorted(folder.name for folder in folders if _last_change(folder) < limit)

    def workspace_bytes(self) -> int:
        """Return the bytes in all workspaces."""
        return weight((self.root / "workspaces").rglob("*"))

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
        """Move a finished draft into place, all of it or nothing; the workspace goes.

        Returns the meta as stored: another's, if a sound artifact has come there meanwhile; the draft is then dropped.

        Raises:
            UserError: the disk is full, say.
        """
        document = draft.seal(meta)
        placed = self.put(draft, kind, key)
        shutil.rmtree(self._workspace(key), ignore_errors=True)
        return document if placed else self.artifact(kind, key).meta()

    def put(self, draft: Draft, kind: str, key: str) -> bool:
        """Move a sealed draft into place unless a sound artifact is there; tells whether it did."""
        place = self.artifact(kind, key).folder
        with writing(self.root):
            place.parent.mkdir(parents=True, exist_ok=True)
            for _ in range(_ATTEMPTS):
                if _moved(draft.folder, place):
                    sync(place.parent)
                    return True
                if _is_sound(place):
                    break
                self.remove_corrupt(kind, key)
        self.discard(draft)
        return False

    def discard(self, draft: Draft) -> None:
        """Drop a draft whose stage failed."""
        shutil.rmtree(draft.folder, ignore_errors=True)

    def remove(self, kind: str, key: str) -> None:
        """Delete an artifact: first out of sight at once, then from the disk."""
        grave = self._buried(kind, key)
        if grave:
            shutil.rmtree(grave, ignore_errors=True)

    def remove_corrupt(self, kind: str, key: str) -> None:
        """Delete an artifact, unless a sound one has come to its place since it was looked at."""
        grave = self._buried(kind, key)
        if grave and not (_is_sound(grave) and _moved(grave, self.artifact(kind, key).folder)):
            shutil.rmtree(grave, ignore_errors=True)

    def _buried(self, kind: str, key: str) -> Path | None:
        """Move an artifact out of sight; returns where it lies now, or None if there is none."""
        grave = self.root / "drafts" / f"{key}.{_machine()}.{uuid.uuid4().hex}"
        with writing(self.root):
            grave.parent.mkdir(parents=True, exist_ok=True)
            try:
                self.artifact(kind, key).folder.rename(grave)
            except FileNotFoundError:
                return None
        return grave

    def artifacts(self) -> Iterator[Artifact]:
        """Yield every artifact, sorted by kind and key."""
        for meta in sorted(self.root.glob(f"*/??/*/{META}")):
            yield Artifact(meta.parent.parent.parent.name, meta.parent.name, meta.parent)

    def require_writable(self) -> None:
        """Raise a UserError if artifacts cannot be written here."""
        require_writable(self.root, "the store", "--store or DDBENCH_STORE")


def require_writable(folder: Path, what: str, option: str) -> None:
    """Raise a UserError unless files can be made in a folder; a missing folder is judged by its nearest parent."""
    places = (folder.absolute(), *folder.absolute().parents)
    try:
        with tempfile.TemporaryFile(dir=next(place for place in places if place.exists())):
            return
    except OSError as error:
        raise UserError(f"{what} {folder} cannot be written: {error.strerror}; name another by {option}") from None


def _moved(folder: Path, place: Path) -> bool:
    """Move a folder to a place if that is empty; tells whether it did."""
    try:
        folder.rename(place)
    except OSError:
        if not place.exists():
            raise
        return False
    return True


def _is_sound(folder: Path) -> bool:
    """Tell whether an artifact is sound; of what cannot be read just now nobody knows that it is not."""
    try:
        Artifact("", "", folder).verify()
    except CorruptArtifactError:
        return False
    except UserError:
        return True
    return True


@functools.cache
def _machine() -> str:
    """Return a name of the system whose locks this process shares: until a restart, its kernel's."""
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        name = f"{socket.gethostname()} {uuid.getnode()}"
    return digest(name)[:8]


def _lock_folder(root: Path) -> Path:
    """Return where a store's locks are: in it, or where its file system knows none, in this machine's own folder."""
    folder = root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    if not _can_lock(folder.absolute()):
        name = digest(str(root.absolute()))[:16]
        folder = Path(tempfile.gettempdir()) / f"ddbench-locks-{os.getuid()}" / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@functools.cache
def _can_lock(folder: Path) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows locks by other means
        return True
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def _last_change(folder: Path) -> float:
    """Return when anything in a folder was written last; of one that has just gone, never."""
    times = [0.0]
    with contextlib.suppress(FileNotFoundError):
        times += [path.stat().st_mtime for path in (folder, *folder.rglob("*"))]
    return max(times)
