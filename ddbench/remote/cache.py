"""The copy on this machine of a store elsewhere: what is read often, and what could not be uploaded yet."""

from __future__ import annotations

import contextlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from ddbench.artifact import writing

if TYPE_CHECKING:
    from ddbench.artifact import Artifact
    from ddbench.store import Name, Store

_PARTS = 20  # of the limit: how much a process adds before it looks again how much there is

_added: dict[Path, int] = {}
"""Bytes that this process has added since it looked."""


@dataclass(frozen=True)
class Cache:
    """A folder store that forgets what was not used for longest.

    ``pending/<kind>.<key>`` marks an artifact that is not uploaded yet: it stays. ``uses/<key>.<any>`` is locked by
    a process whose stage reads an artifact: it stays too.

    Attributes:
        store: the folder.
        limit: bytes; less than one stage reads at once is exceeded.
    """

    store: Store
    limit: int

    def pin(self, key: str) -> FileLock:
        """Keep an artifact until the lock that is returned is released, or its process dies."""
        folder = self.store.root / "uses"
        with writing(self.store.root):
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{key}.{uuid.uuid4().hex}")
            lock.acquire()
        return lock

    def unpin(self, lock: FileLock) -> None:
        """Let an artifact go."""
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)

    def touch(self, artifact: Artifact) -> None:
        """Note that an artifact is used now, unless it has just gone."""
        with writing(self.store.root), contextlib.suppress(FileNotFoundError):
            os.utime(artifact.folder)

    def mark(self, kind: str, key: str) -> None:
        """Mark an artifact as not uploaded yet."""
        mark = self._mark(kind, key)
        with writing(self.store.root):
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()

    def unmark(self, kind: str, key: str) -> None:
        """Mark an artifact as uploaded."""
        self._mark(kind, key).unlink(missing_ok=True)

    def is_pending(self, kind: str, key: str) -> bool:
        """Tell whether an artifact is here that is not uploaded yet."""
        return self._mark(kind, key).exists() and self.store.has(kind, key)

    def pending(self) -> list[Name]:
        """Return all artifacts that are not uploaded yet."""
        names = sorted(mark.name.split(".") for mark in (self.store.root / "pending").glob("*.*"))
        return [(kind, key) for kind, key in names if self.is_pending(kind, key)]

    def _mark(self, kind: str, key: str) -> Path:
        return self.store.root / "pending" / f"{kind}.{key}"

    def grown(self, nbytes: int) -> None:
        """Note that something was added; every now and then it is looked whether something must go."""
        added = _added.get(self.store.root, self.limit) + nbytes
        _added[self.store.root] = added
        if added > self.limit // _PARTS:
            self.make_room()
            _added[self.store.root] = 0

    def make_room(self) -> None:
        """Delete what was not used for longest until the rest is within the limit."""
        held = sorted(((artifact.changed, artifact.nbytes, artifact) for artifact in self.store.artifacts()), key=_age)
        excess = sum(nbytes for _, nbytes, _ in held) - self.limit
        for _, nbytes, artifact in held:
            if excess <= 0:
                return
            if self._forgotten(artifact):
                excess -= nbytes

    def fetching(self, key: str) -> FileLock:
        """Return the lock under which an artifact is fetched or forgotten."""
        return self.store.lock(f"{key}.fetch")

    def _forgotten(self, artifact: Artifact) -> bool:
        """Delete an artifact that nobody uses, fetches or has to upload; tells whether it did."""
        try:
            with self.fetching(artifact.key).acquire(blocking=False):
                if self.is_pending(artifact.kind, artifact.key) or self._is_used(artifact.key):
                    return False
                self.store.remove(artifact.kind, artifact.key)
        except Timeout:
            return False
        return True

    def _is_used(self, key: str) -> bool:
        """Tell whether a running stage reads an artifact; what dead processes left is cleared away."""
        for file in (self.store.root / "uses").glob(f"{key}.*"):
            lock = FileLock(file)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                return True
            self.unpin(lock)
        return False


def _age(held: tuple[float, int, Artifact]) -> float:
    return held[0]
