"""Objects under a URL, each call tried again while the network is away."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import re
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError
from ddbench.location import hide_secrets
from ddbench.plugins import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from ddbench.location import Address

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 8.0  # seconds
_INSTALL = {"s3": "'ddbench[s3]'", "s3a": "'ddbench[s3]'", "gs": "gcsfs", "gcs": "gcsfs"}
_QUICK: dict[str, Any] = {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 1}}
_OPTIONS: dict[str, dict[str, Any]] = {"s3": {"config_kwargs": _QUICK}, "s3a": {"config_kwargs": _QUICK}}
"""What a file system is made with: an answer is not waited for in vain, for trying again is done here."""

_BUCKETS = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")
_ANSWERS = (FileNotFoundError, FileExistsError, PermissionError, NotImplementedError, TypeError)
_NO_HOPE = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound")  # names: botocore may not be there
_OWN_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_PATTERN = "*?["  # file systems would take it for a pattern
_CHANGED = ("LastModified", "updated", "mtime", "last_modified", "created")  # what file systems call it


@dataclass(frozen=True)
class Found:
    """An object in a listing: its bytes, and when it was written, in seconds of the epoch."""

    nbytes: int
    changed: float


class Objects:
    """Objects by name under an address; names are paths with slashes.

    A call that fails for any other reason than the object itself is tried again, after ever longer pauses, for
    ``patience`` seconds; ``warn`` is told once.

    Attributes:
        patience: for how long.
    """

    def __init__(self, address: Address, warn: Callable[[str], None] | None, patience: float | None = None) -> None:
        self._address, self._warn = address, warn
        self.patience = _patience() if patience is None else patience
        self._files, self._root = _file_system(address)

    def read(self, name: str) -> bytes | None:
        """Return an object's content, None if there is none."""
        return self.read_many([name]).get(name)

    def read_many(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the content of those objects that are there, all asked for at once."""
        paths = {self._path(name): name for name in names}
        if not paths:
            return {}

        def cat() -> dict[str, bytes]:
            found = self._files.cat(list(paths), on_error="return")
            troubles = [value for value in found.values() if not isinstance(value, bytes)]
            for trouble in troubles:
                if not isinstance(trouble, FileNotFoundError):
                    raise trouble
            return {paths[path]: value for path, value in found.items() if isinstance(value, bytes)}

        return self._tried(cat)  # type: ignore[no-any-return]

    def download(self, name: str, path: Path) -> None:
        """Write an object's content to a file.

        Raises:
            KeyError: there is no such object.
            OSError: the file cannot be written.
        """
        try:
            self._tried(lambda: self._files.get_file(self._path(name), str(path)))
        except FileNotFoundError:
            if not path.parent.exists():
                raise
            raise KeyError(name) from None

    def upload(self, path: Path, name: str) -> None:
        """Write a file's content to an object."""
        self._make_folder(name)
        self._tried(lambda: self._files.put_file(str(path), self._path(name)))

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless there is one; tells whether it is this content that is there now.

        The server decides who is first where it can; where it cannot, the later of two at the same moment stays.
        """
        self._make_folder(name)
        try:
            self._tried(lambda: self._files.pipe_file(self._path(name), content, mode="create"))
        except FileExistsError:  # perhaps by a call before, whose answer was lost
            return self.read(name) == content
        except (NotImplementedError, TypeError):
            if self.read(name) is None:
                self._tried(lambda: self._files.pipe_file(self._path(name), content))
            return self.read(name) == content
        return True

    def listing(self, prefix: str) -> dict[str, Found]:
        """Return all objects whose names begin with a prefix and a slash."""
        start = len(self._root) + 1
        with contextlib.suppress(FileNotFoundError):
            found: Mapping[str, Any] = self._tried(lambda: self._files.find(self._path(prefix), detail=True))
            return {path[start:]: Found(info["size"], _changed(info)) for path, info in found.items()}
        return {}

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; that one is gone already is no error."""
        paths = [self._path(name) for name in names]
        if paths:
            with contextlib.suppress(FileNotFoundError):
                self._tried(lambda: self._files.rm(paths))

    def _make_folder(self, name: str) -> None:
        """Make the folder of an object, where a file system has such: in a bucket, names alone have slashes."""
        if self._address.scheme not in _BUCKETS:
            self._tried(lambda: self._files.makedirs(self._path(name).rpartition("/")[0], exist_ok=True))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _tried(self, call: Callable[[], Any]) -> Any:
        """Call until there is an answer.

        Raises:
            UserError: there was none in time, or there will be none.
        """
        begun, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            try:
                return call()
            except _ANSWERS as error:
                if isinstance(error, PermissionError):
                    raise self._failure("refuses", error) from None
                raise
            except Exception as error:  # every file system has its own errors, and most are the network's
                if isinstance(error, OSError) and error.errno in _OWN_DISK:
                    raise
                left = begun + self.patience - time.monotonic()
                if left <= 0 or type(error).__name__ in _NO_HOPE:
                    raise self._failure("does not answer", error) from None
                if pause == _FIRST_PAUSE and self._warn:
                    self._warn(f"{self._said('does not answer', error)}; trying again for {self.patience:.0f} s")
            time.sleep(min(left, pause * random.uniform(0.5, 1)))  # noqa: S311 - so that workers do not ask in step
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _failure(self, verb: str, error: Exception) -> UserError:
        return UserError(f"{self._said(verb, error)}; mend that and run again")

    def _said(self, verb: str, error: Exception) -> str:
        return f"the store {self._address} {verb}: {hide_secrets(one_line(error))}"


def _patience() -> float:
    """Return for how many seconds to try again: ``DDBENCH_STORE_PATIENCE``, else a minute."""
    text = os.environ.get("DDBENCH_STORE_PATIENCE") or "60"
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise UserError(f"DDBENCH_STORE_PATIENCE '{text}' is no number of seconds, such as 60")
    return float(text)


def _file_system(address: Address) -> tuple[Any, str]:
    """Return fsspec's file system for an address, and the path in it.

    Raises:
        UserError: a package is missing, or the scheme is not known.
    """
    try:
        import fsspec
        from fsspec.registry import known_implementations
    except ImportError:
        raise UserError(f"the store {address} needs fsspec: pip install 'ddbench[remote]'") from None
    try:
        options = _options(address.scheme, fsspec.config.conf)
        files, root = fsspec.core.url_to_fs(address.url, use_listings_cache=False, **options)
    except ImportError as error:
        package = _INSTALL.get(address.scheme)
        how = f"pip install {package}" if package else known_implementations[address.scheme].get("err", str(error))
        raise UserError(f"the store {address} needs a package that is not installed: {how}") from None
    except ValueError as error:
        raise UserError(f"the store {address} cannot be opened: {hide_secrets(one_line(error))}") from None
    if set(_PATTERN) & set(root):
        raise UserError(f"the store {address} cannot be opened: its name holds one of {_PATTERN}; take another")
    return files, root.rstrip("/")


def _options(scheme: str, configured: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file system is made with, what the user's configuration of fsspec says laid over it."""
    theirs = configured.get(scheme, {})
    return {name: {**value, **theirs.get(name, {})} for name, value in _OPTIONS.get(scheme, {}).items()}


def _changed(info: Mapping[str, Any]) -> float:
    """Return when an object was written; 0 if the file system does not tell."""
    found = next((info[name] for name in _CHANGED if info.get(name)), 0.0)
    if isinstance(found, str):
        found = datetime.fromisoformat(found)
    return found.timestamp() if isinstance(found, datetime) else float(found)
