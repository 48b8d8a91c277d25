"""Stores under URLs: in this process's memory, with copies in the test's own folder."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from ddbench.location import Address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep copies in the test's own folder."""
    monkeypatch.setenv("DDBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def memory() -> Iterator[Address]:
    """Return the address of an empty store in memory."""
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    name = uuid.uuid4().hex
    yield Address(f"memory://{name}/store")
    files = fsspec.filesystem("memory")
    if files.exists(f"/{name}"):
        files.rm(f"/{name}", recursive=True)
