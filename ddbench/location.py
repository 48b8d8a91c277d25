"""Where a store is: a folder, or a URL that fsspec knows."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ddbench.errors import UserError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_LOGIN = re.compile(r"(?<=://)[^/\s]*@")
_QUERY = re.compile(r"(?<=\?)[^\s'\"]+")
_FOLDERS = ("file", "local")  # schemes of this machine's folders


@dataclass(frozen=True)
class Address:
    """The URL of a store that is no folder. As text it is without login and query, where secrets may be.

    Attributes:
        url: as it was given.
    """

    url: str = field(repr=False)

    @property
    def scheme(self) -> str:
        """What stands before ``://``."""
        return urlsplit(self.url).scheme

    @property
    def cache(self) -> Path:
        """The folder of this machine in which the store's artifacts are kept for reading."""
        name = re.sub(r"[^\w.-]+", "-", str(self)).strip("-")[:60]
        return cache_root() / f"{name}-{hashlib.sha256(str(self).encode()).hexdigest()[:8]}"

    def __str__(self) -> str:
        return hide_secrets(self.url)


Location: TypeAlias = Path | Address


def location(text: str | Path | Address) -> Location:
    """Return the place that a text names: a folder, also as ``file://``, or the address of a store elsewhere.

    Raises:
        UserError: it is nearly a URL, or empty, as of a variable that is not set: no folder of that name is meant.
    """
    if isinstance(text, Address):
        return text
    if isinstance(text, Path):
        return text.expanduser()
    found = _URL.match(text)
    rest = text[found.end() :] if found else ""
    if not rest.strip("/") and ("://" in text or not text):
        raise UserError(f"'{hide_secrets(text)}' is no place of a store: name a folder, or a URL: s3://bucket/prefix")
    if found is None:
        return Path(text).expanduser()
    return Path(url2pathname(rest)) if found[1] in _FOLDERS else Address(text.rstrip("/"))


def default_location() -> Location:
    """Return where the store is: where ``DDBENCH_STORE`` says, else in the user's cache folder."""
    from platformdirs import user_cache_path

    named = os.environ.get("DDBENCH_STORE")
    return location(named) if named else user_cache_path("ddbench") / "store"


def derived(place: Location) -> Path:
    """Return the folder of what is derived from data sets, beside a store or its cache."""
    return (place.cache if isinstance(place, Address) else place) / "data"


def cache_root() -> Path:
    """Return the folder of copies of stores elsewhere: ``DDBENCH_CACHE``, else in the user's cache folder."""
    from platformdirs import user_cache_path

    named = os.environ.get("DDBENCH_CACHE")
    return Path(named).expanduser() if named else user_cache_path("ddbench") / "remote"


def cache_limit() -> int:
    """Return how many bytes a copy may hold: ``DDBENCH_CACHE_LIMIT``, such as 200GB, else 50 GB.

    Raises:
        UserError: the variable is no amount.
    """
    text = os.environ.get("DDBENCH_CACHE_LIMIT") or "50GB"
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKMGT]?)B?", text.strip())
    if found is None:
        raise UserError(f"DDBENCH_CACHE_LIMIT '{text}' is no amount: write bytes, or 500MB, 200GB, 2TB")
    return int(float(found[1]) * 1000 ** " KMGT".index(found[2].upper() or " "))


def hide_secrets(text: str) -> str:
    """Return a text without the logins and queries of its URLs."""
    return _QUERY.sub("...", _LOGIN.sub("...@", text))
