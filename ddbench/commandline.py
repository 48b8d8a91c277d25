"""The command behind a result, made harmless: no user name, no home, no host, no secret is in it."""

from __future__ import annotations

import getpass
import re
import shlex
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_OWN = "ddbench"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s,\]\"']*")
_SECRET = re.compile(r"(?i)\b([a-z_-]*(?:token|password|passwd|secret|api[_-]?key)[a-z_-]*=)[^,\]\"]*")
_SECRET_OPTION = re.compile(r"(?i)--?[a-z-]*(?:token|password|passwd|secret|api-?key)[a-z-]*")
_ROOTED = re.compile(r"(?:(?<=[=\[(,\"':])|^)(?:~[^/\\,\]]*|\.\.|[A-Za-z]:)?[/\\][^,\]\")]*")


def command(words: Sequence[str] | None = None) -> str | None:
    """Return the command line of this process: of ddbench in full, of a script its name alone.

    A script's arguments are its own business. None where there is no script, as in an interactive session.
    """
    words = sys.argv if words is None else words
    script = Path(words[0]).name if words else ""
    if Path(script).stem != _OWN:
        return f"python {script}" if script.endswith(".py") else None
    return shlex.join([_OWN, *_harmless_words(words[1:])])


def _harmless_words(words: Sequence[str]) -> list[str]:
    pairs = zip(["", *words], words, strict=False)
    return ["..." if _SECRET_OPTION.fullmatch(before) else harmless(word) for before, word in pairs]


def harmless(text: str) -> str:
    """Return a text with every absolute path replaced by its last part, and so each that leaves the working folder.

    What follows ``://`` is dropped, and so is the value of a parameter that is called a token, password, secret or key
    of an API. Names of this user and this host become ``...`` where they are a folder's.
    """
    text = _SECRET.sub(r"\1...", _URL.sub("url", text))
    text = _ROOTED.sub(lambda found: _last(found[0]), text)
    return re.sub(r"[^/\\\s,=\[\]\"']+(?=[/\\])", lambda found: "..." if found[0] in _names() else found[0], text)


def _last(path: str) -> str:
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1] or "/"
    return "..." if name in _names() else name


def _names() -> set[str]:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        user = ""
    return {user, socket.gethostname(), Path.home().name} - {""}
