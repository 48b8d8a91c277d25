"""What a data set's files hold, as one digest."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError
from ddbench_datasets.records import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT = 1  # raised when decoding or resizing changes its pixels: every fingerprint moves


def fingerprint(root: Path, files: tuple[str, ...], facts: Any, cache: Path) -> str:
    """Return the SHA-256 of the files' names, sizes and contents, and of the facts that shape pixels and labels.

    Contents are read once: the digest is remembered for as long as no file's size or time of change moves.

    Raises:
        UserError: a file cannot be read, or the cache cannot be written.
    """
    memo = cache / "fingerprints" / f"{_sha256(_listing(root, files))}.json"
    content = recorded(memo, _is_digest, lambda: _content(root, files))
    return _sha256([FORMAT, content, facts])


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _is_digest(record: Any) -> bool:
    return isinstance(record, str) and len(record) == 64


def _listing(root: Path, files: tuple[str, ...]) -> list[Any]:
    listing: list[Any] = [str(root.resolve())]
    for name in files:
        with _reading(root / name):
            status = (root / name).stat()
        listing.append([name, status.st_size, status.st_mtime_ns])
    return listing


def _content(root: Path, files: tuple[str, ...]) -> str:
    with ThreadPoolExecutor() as pool:
        digests = pool.map(lambda name: _file_digest(root / name), files)
        return _sha256([[name, *digest] for name, digest in zip(files, digests, strict=True)])


def _file_digest(path: Path) -> tuple[int, str]:
    with _reading(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}): mend or remove it") from error
