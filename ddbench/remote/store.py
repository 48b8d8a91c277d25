"""A store under a URL: data aside, then one object that commits; read through a copy on this machine.

``artifacts/<kind>/<key>.json`` is an artifact's meta and the name of its data, ``data/<key>/<name>/`` the files. The
meta is written last and, where the server can, only if there is none: of two who finish one key the first wins, and
the other deletes what it uploaded. A killed upload leaves data that no meta names, which ``sweep`` deletes. Workspaces
and locks are this machine's alone. ``ddbench.store`` says what the methods promise that are not explained here.
"""

from __future__ import annotations

import contextlib
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

from ddbench.artifact import Artifact, writing
from ddbench.errors import CorruptArtifactError, UserError
from ddbench.location import cache_limit, hide_secrets
from ddbench.plugins import one_line
from ddbench.remote.artifact import RemoteArtifact
from ddbench.remote.cache import Cache
from ddbench.remote.commits import Commit, Commits
from ddbench.remote.objects import Objects
from ddbench.remote.uploads import uploads
from ddbench.store import Store, require_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from filelock import FileLock

    from ddbench.artifact import Draft
    from ddbench.location import Address
    from ddbench.remote.commits import Read
    from ddbench.store import Name

_FEW = 100  # artifacts that are asked for one by one; for more the store is listed
_PROBE_SECONDS = 15.0  # to wait for an answer before anything is computed


class RemoteStore:
    """Artifacts under a URL, shared by any number of machines."""

    def __init__(
        self, address: Address, warn: Callable[[str], None] | None = None, patience: float | None = None
    ) -> None:
        self.location = address
        self.near = Store(address.cache)
        self.cache = Cache(self.near, cache_limit())
        self.lock, self.draft, self.discard = self.near.lock, self.near.draft, self.near.discard
        self.workspace, self.abandon = self.near.workspace, self.near.abandon
        self.workspace_bytes, self.workspaces_older_than = self.near.workspace_bytes, self.near.workspaces_older_than
        self._objects = Objects(address, warn, patience)
        self._commits = Commits(self._objects)
        self._known: dict[Name, Read] = {}  # what 'present' has read, for 'find'
        self._pins: dict[str, FileLock] = {}

    def close(self) -> None:
        """Let go of what was read: it may leave this machine again."""
        while self._pins:
            self.cache.unpin(self._pins.popitem()[1])

    # ------------------------------------------------------------------------------------ what is there

    def artifact(self, kind: str, key: str) -> RemoteArtifact:
        """Name the place of a key, whether it is there or not."""
        return RemoteArtifact(kind, key, self)

    def has(self, kind: str, key: str) -> bool:
        """Tell whether an artifact is there, or waits here for its upload; its content is not looked at."""
        return self.cache.is_pending(kind, key) or self._commits.read((kind, key)) is not None

    def present(self, names: Iterable[Name]) -> set[Name]:
        """Return which artifacts of many are there, or wait here for their upload."""
        wanted = set(names)
        waiting = wanted.intersection(self.cache.pending())
        if len(wanted) <= _FEW:
            self._known = self._commits.read_many(wanted - waiting)
            return self._known.keys() | waiting
        there = {name for kind in _kinds(wanted) for name in self._commits.listing(kind)} & wanted - waiting
        copied: dict[Name, Read] = {name: copy for name in there if (copy := self._copied(*name))}
        self._known = self._commits.read_many(there - copied.keys()) | copied
        return there | waiting

    def _copied(self, kind: str, key: str) -> Commit | None:
        """Return what the copy here says, which need not be asked for again."""
        with contextlib.suppress(CorruptArtifactError):
            return Commit("", self.near.artifact(kind, key).meta())
        return None

    def find(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return the meta of an artifact, uploaded now if it waits for it, or None; its data is verified when read.

        Raises:
            CorruptArtifactError: the meta is not sound.
        """
        if self.cache.is_pending(kind, key):
            self._deliver_sound(kind, key)
        commit = self._known.pop((kind, key), None) or self._commits.read((kind, key))
        if isinstance(commit, CorruptArtifactError):
            raise commit
        if commit is None or self._differs(kind, key, commit):
            self.near.remove(kind, key)
        return commit.meta if commit else None

    def glance(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return what ``find`` does, which reads no data here; an upload wants the key's lock."""
        with self.lock(key):
            return self.find(kind, key)

    def _differs(self, kind: str, key: str, commit: Commit) -> bool:
        """Tell whether the copy here is of another artifact of that key, which was deleted since."""
        try:
            return self.near.artifact(kind, key).meta() != commit.meta
        except CorruptArtifactError:
            return True

    def artifacts(self) -> Iterator[RemoteArtifact]:
        """Yield every artifact, sorted by kind and key, by two listings."""
        data: Counter[str] = Counter()
        for (key, _), upload in uploads(self._objects).items():
            data[key] += upload.nbytes
        for (kind, key), found in sorted(self._commits.listing().items()):
            yield RemoteArtifact(kind, key, self, found.nbytes + data[key], found.changed)

    # ------------------------------------------------------------------------------------------ reading

    def meta(self, kind: str, key: str) -> dict[str, Any]:
        """Return an artifact's meta, from the copy here if there is one.

        Raises:
            CorruptArtifactError: it is not there, or not sound.
        """
        known = self._known.get((kind, key)) or self._copied(kind, key)
        return known.meta if isinstance(known, Commit) else self._sound_commit(kind, key).meta

    def _sound_commit(self, kind: str, key: str) -> Commit:
        commit = self._commits.read((kind, key))
        if isinstance(commit, CorruptArtifactError):
            raise commit
        if commit is None:
            raise CorruptArtifactError(f"{kind} {key} is not in {self.location}")
        return commit

    def fetched(self, kind: str, key: str) -> Artifact:
        """Return an artifact's copy on this machine, which stays until ``close``; it is fetched if there is none.

        Raises:
            CorruptArtifactError: it is not in the store, or not sound there.
            UserError: the store does not answer, or the copy cannot be written.
        """
        if key not in self._pins:
            self._pins[key] = self.cache.pin(key)
        copy = self.near.artifact(kind, key)
        with self.cache.fetching(key):
            fresh = not self.near.has(kind, key)
            if fresh:
                with self._downloaded(kind, key) as draft:
                    self.near.put(draft, kind, key)
            self.cache.touch(copy)
        if fresh:
            self.cache.grown(copy.nbytes)
        return copy

    def fetched_again(self, kind: str, key: str) -> Artifact:
        """Fetch an artifact once more whose copy was found corrupt; if it comes corrupt again, it leaves the store.

        Raises:
            CorruptArtifactError: it did.
        """
        before = self._commits.read((kind, key))
        try:
            self._drop_corrupt_copy(kind, key)
            return self.fetched(kind, key)
        except CorruptArtifactError:
            now = self._commits.read((kind, key))
            if isinstance(now, CorruptArtifactError) or now == before:  # else another has made it anew meanwhile
                self.remove(kind, key)
            raise

    def _drop_corrupt_copy(self, kind: str, key: str) -> None:
        with self.cache.fetching(key):
            try:
                self.near.artifact(kind, key).verify()
            except CorruptArtifactError:  # else another process has fetched it anew meanwhile
                self.near.remove(kind, key)

    def verified(self, kind: str, key: str) -> dict[str, Any]:
        """Fetch every byte anew and compare checksums; returns the meta.

        Raises:
            CorruptArtifactError: a file is missing or differs.
        """
        with self.cache.fetching(key), self._downloaded(kind, key) as draft:
            return Artifact(kind, key, draft.folder).meta()

    @contextlib.contextmanager
    def _downloaded(self, kind: str, key: str) -> Iterator[Draft]:
        """Yield an artifact's files, verified, in a draft, which goes afterwards unless it was put in its place.

        Raises:
            CorruptArtifactError: something of it is missing or differs.
        """
        commit = self._sound_commit(kind, key)
        draft = self.near.draft(f"{key}.fetch")
        try:
            for name in commit.meta["files"]:
                self._download(f"{_data(key, commit)}/{name}", draft.folder / name)
            draft.files.update(commit.meta["files"])
            draft.seal(commit.meta)
            self._require_sound(Artifact(kind, key, draft.folder))
            yield draft
        finally:
            self.near.discard(draft)

    def _require_sound(self, downloaded: Artifact) -> None:
        try:
            downloaded.verify()
        except CorruptArtifactError:
            what = f"{downloaded.kind} {downloaded.key} in {self.location}"
            raise CorruptArtifactError(f"{what} does not match its checksums") from None

    def _download(self, name: str, path: Path) -> None:
        try:
            with writing(self.near.root):
                self._objects.download(name, path)
        except KeyError:
            raise CorruptArtifactError(f"{self.location}/{name} is missing") from None

    # ------------------------------------------------------------------------------------------ writing

    def commit(self, draft: Draft, kind: str, key: str, meta: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a finished draft here, then upload it; returns the meta as stored, another's if that was first.

        Raises:
            UserError: it cannot be stored; if the store does not answer it stays here, for the next run to upload.
        """
        self.cache.mark(kind, key)
        self.near.commit(draft, kind, key, meta)
        self.cache.grown(self.near.artifact(kind, key).nbytes)
        try:
            return self._deliver(kind, key)
        except UserError as error:
            raise UserError(f"{error}: what was computed is kept here and uploaded then") from None

    def _deliver(self, kind: str, key: str) -> dict[str, Any]:
        """Upload an artifact that waits for it; returns the meta that the store has in the end.

        Raises:
            CorruptArtifactError: what waits is not sound.
        """
        copy = self.near.artifact(kind, key)
        ours, theirs = Commit.of(copy.verify()), self._commits.read((kind, key))
        if isinstance(theirs, CorruptArtifactError):
            self._commits.delete((kind, key))
        if isinstance(theirs, Commit) or not self._upload(copy, ours):
            ours = self._sound_commit(kind, key)
            self.near.remove(kind, key)
        self.cache.unmark(kind, key)
        return ours.meta

    def _upload(self, copy: Artifact, commit: Commit) -> bool:
        """Upload data and commit it, or delete it again if another was first; tells whether it was committed."""
        for name in commit.meta["files"]:
            self._objects.upload(copy.folder / name, f"{_data(copy.key, commit)}/{name}")
        if self._commits.create((copy.kind, copy.key), commit):
            return True
        self._objects.delete(self._objects.listing(_data(copy.key, commit)))
        return False

    def _deliver_sound(self, kind: str, key: str) -> None:
        """Upload what waits for it, or drop it if it has become corrupt since."""
        try:
            self._deliver(kind, key)
        except CorruptArtifactError:
            self.cache.unmark(kind, key)
            self.near.remove(kind, key)

    def remove(self, kind: str, key: str) -> None:
        """Delete an artifact: first what commits it, then its data, then the copy here."""
        commit = self._commits.read((kind, key))
        self._commits.delete((kind, key))
        if isinstance(commit, Commit):
            self._objects.delete(self._objects.listing(_data(key, commit)))
        self.near.remove(kind, key)

    def remove_corrupt(self, kind: str, key: str) -> None:
        """Delete an artifact whose meta was found corrupt, unless it is sound again since."""
        if isinstance(self._commits.read((kind, key)), CorruptArtifactError):
            self.remove(kind, key)

    def sweep(self, limit: float) -> int:
        """Delete data that nothing commits, and drafts here, both untouched since a time; returns how many of both."""
        old = {name: upload for name, upload in uploads(self._objects).items() if upload.changed <= limit}
        keys = {key for key, _ in old}
        found = self._commits.read_many(name for name in self._commits.listing() if name[1] in keys)
        kept = {(name[1], commit.data) for name, commit in found.items() if isinstance(commit, Commit)}
        orphans = [upload for name, upload in old.items() if name not in kept]
        self._objects.delete(place for upload in orphans for place in upload.places)
        return len(orphans) + self.near.sweep(limit)

    def require_writable(self) -> None:
        """Raise a UserError if artifacts cannot be written here, or not kept on this machine."""
        require_writable(self.near.root, "the cache", "DDBENCH_CACHE")
        objects = Objects(self.location, None, min(_PROBE_SECONDS, self._objects.patience))
        probe = f"probes/{uuid.uuid4().hex}"
        try:
            objects.create(probe, probe.encode())
            objects.delete([probe])
        except (FileNotFoundError, NotImplementedError, TypeError) as error:
            reason = hide_secrets(one_line(error))
            raise UserError(f"the store {self.location} cannot be written: {reason}") from None


def _kinds(names: Iterable[Name]) -> set[str]:
    return {kind for kind, _ in names}


def _data(key: str, commit: Commit) -> str:
    return f"data/{key}/{commit.data}"
