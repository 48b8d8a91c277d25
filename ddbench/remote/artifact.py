"""An artifact of a store under a URL."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ddbench.artifact import closed
from ddbench.errors import CorruptArtifactError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ddbench.remote.store import RemoteStore


@dataclass(frozen=True)
class RemoteArtifact:
    """An artifact under a URL; it is fetched when it is read.

    Attributes:
        size: bytes, as a listing has them.
        changed: when it was committed, in seconds of the epoch, likewise.
    """

    kind: str
    key: str
    store: RemoteStore = field(repr=False)
    size: int | None = None
    changed: float = 0.0

    @property
    def nbytes(self) -> int:
        """Bytes in the store; none of what will be computed anew."""
        if self.size is not None:
            return self.size
        with contextlib.suppress(CorruptArtifactError):
            meta = self.meta()
            return sum(int(file["bytes"]) for file in meta["files"].values()) + len(closed(meta))
        return 0

    @property
    def folder(self) -> Path:
        """Its copy on this machine."""
        return self.store.fetched(self.kind, self.key).folder

    def meta(self) -> dict[str, Any]:
        """Return what was stored beside the tensors.

        Raises:
            CorruptArtifactError: it is missing, or does not match its own checksum.
        """
        return self.store.meta(self.kind, self.key)

    def verify(self) -> dict[str, Any]:
        """Fetch every byte anew and compare checksums; returns the meta.

        Raises:
            CorruptArtifactError: a file is missing or differs.
        """
        return self.store.verified(self.kind, self.key)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Load one file of tensors, its checksum verified, on the CPU; what was fetched corrupt is fetched once more.

        Raises:
            CorruptArtifactError: it is missing or differs in the store, which it has now left.
        """
        try:
            return self.store.fetched(self.kind, self.key).tensors(name)
        except CorruptArtifactError:
            return self.store.fetched_again(self.kind, self.key).tensors(name)
