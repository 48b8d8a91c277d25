"""What was written or said by way of a result, made harmless: no user name, no home, no host, no secret is in it."""

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
_SECRET = re.compile(
    r"(?i)\b([a-z_-]*(?:token|password|passwd|secret|api[_-]?key)[a-z_-]*=)\s*(?:\"(?:[^\"\\]|\\.)*\"|[^,\]\"]*)"
)
_SECRET_OPTION = re.compile(r"(?i)--?[a-z-]*(?:token|password|passwd|secret|api-?key)[a-z-]*")
_OUTSIDE = r"(?:~[^/\\,\]]*|\.\.|[A-Za-z]:)?[/\\]"  # how a path begins that leaves the working folder
_ROOTED = re.compile(rf"(?<=\"){_OUTSIDE}[^\"]*(?=\")|(?:(?<=[=\[(,\"':\s])|^){_OUTSIDE}[^,\]\")]*")

_STOP = r"\s'\",;:()\[\]{}<>|/\\"  # what ends a name of a path in a sentence
_IN_TEXT = re.compile(
    r"""(?P<quote>["'])(?P<quoted>(?:~[^/\\"'\n]*|[A-Za-z]:)?[/\\][^"'\n]*)(?P=quote)"""
    rf"|(?<![\w./\\~-])(?:~[\w.-]*(?:/[^{_STOP}]+)+|(?:/[^{_STOP}]+){{2,}}|[A-Za-z]:(?:[/\\][^{_STOP}]+)+)/?"
)
_SECRET_IN_TEXT = re.compile(
    r"(?i)(?<![\w-])([\w-]{0,60}(?:token|password|passwd|secret|api[_-]?key)[\w-]{0,60}=)[^\s,\]\"'&)]+"
)
_LOGIN = re.compile(r"(?<=://)[^/\s@]*@")
_FOLDER = re.compile(r"(?<![^/\\\s,=\[\]\"'])[^/\\\s,=\[\]\"']+(?=[/\\])")
_INSTALLED = re.compile(r"^.*[/\\](?:site|dist)-packages[/\\]")


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
    return _nameless(placeless(_SECRET.sub(r"\1...", _URL.sub("url", text))))


def placeless(text: str) -> str:
    """Return a text of the command line with every path that leaves the working folder replaced by its last part."""
    return _ROOTED.sub(lambda found: _last(found[0]), text)


def harmless_message(text: str) -> str:
    """Return a message or traceback with the last part in place of absolute paths, and without logins and secrets.

    Of a file of an installed package the path within it is left.
    """
    text = _SECRET_IN_TEXT.sub(r"\1...", _LOGIN.sub("...@", text))
    return _nameless(_IN_TEXT.sub(_of_message, text))


def _of_message(found: re.Match[str]) -> str:
    quote, path = found["quote"] or "", found["quoted"] or found[0]
    installed = _INSTALLED.match(path)
    return f"{quote}{path[installed.end() :] if installed else _last(path)}{quote}"


def _nameless(text: str) -> str:
    names = _names()
    return _FOLDER.sub(lambda found: "..." if found[0] in names else found[0], text)


def _last(path: str) -> str:
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1] or "/"
    return "..." if name in _names() else name


def _names() -> set[str]:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        user = ""
    return {user, socket.gethostname(), Path.home().name} - {""}
