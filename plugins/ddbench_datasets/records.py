"""Small facts that were expensive to find out, kept as JSON where caches lie."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def recorded(path: Path, valid: Callable[[Any], bool], measure: Callable[[], Any]) -> Any:
    """Return what a record holds; where there is no valid one, measure and record it.

    Raises:
        UserError: the record cannot be written.
    """
    record = _read(path)
    if record is not None and valid(record):
        return record
    record = measure()
    _write(path, record)
    return record


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # absent or damaged: it is measured again


def _write(path: Path, record: Any) -> None:
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        aside.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror}): choose a store that can be written") from error
