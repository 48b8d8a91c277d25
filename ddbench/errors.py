"""What goes wrong on the user's side, in one line each."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do, in one line."""

    exit_code = 2


class CorruptArtifactError(Exception):
    """A stored artifact no longer matches its checksum, or cannot be read."""


def printable(text: str) -> str:
    """Return a text without what would command a terminal or break a line: names and files may come from anywhere."""
    return "".join(each if each.isprintable() else " " if each.isspace() else "?" for each in text)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'dwa'?"``, or what is known when nothing is close."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(names)}" if names else ""
