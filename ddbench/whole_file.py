"""Files that are whole or not there."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], Any], called: str = "") -> None:
    """Call ``write`` with a path beside the file's, then move what it wrote into place; folders are made.

    A link is followed. What is no file (``/dev/stdout``, a pipe) is written to as it is. ``called`` is what errors call
    the file, before its path.

    Raises:
        UserError: it cannot be written (disk full, folder read-only); a file of before is left as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file() and not path.is_dir():
            write(path)
        else:
            _write_aside(path.resolve(), write)
    except OSError as error:
        named = f"{called} {path}".lstrip()
        raise UserError(f"{named} cannot be written: {error.strerror}; mend that and run again") from None


def write_text(path: Path, text: str, called: str = "") -> None:
    """Write a text in UTF-8 as ``write_whole`` writes.

    Raises:
        UserError: as ``write_whole``.
    """
    write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"), called)


def _write_aside(path: Path, write: Callable[[Path], Any]) -> None:
    draft = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:12]}{path.suffix}")
    try:
        write(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
