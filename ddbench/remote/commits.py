"""The objects that make artifacts part of a store under a URL: an artifact's meta, and the name of its data."""

from __future__ import annotations

import contextlib
import json
import math
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from ddbench.artifact import closed, opened
from ddbench.errors import CorruptArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ddbench.remote.objects import Found, Objects
    from ddbench.store import Name

_MOMENT = "%Y%m%dT%H%M%SZ"
_PLACE = re.compile(r"artifacts/(\w+)/(\w+)\.json")
_DATA = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Commit:
    """What makes an artifact part of a store.

    Attributes:
        data: the name of its data, which nobody else uses, and which tells when the upload began.
        meta: as a folder store keeps it.
    """

    data: str
    meta: dict[str, Any]

    @classmethod
    def of(cls, meta: dict[str, Any]) -> Commit:
        """Begin one."""
        return cls(f"{datetime.now(UTC).strftime(_MOMENT)}-{uuid.uuid4().hex}", meta)

    def content(self) -> bytes:
        """Return it as an object's content."""
        return json.dumps({"data": self.data, "meta": json.loads(closed(self.meta))}).encode()


Read: TypeAlias = Commit | CorruptArtifactError
"""A commit as it was found; the error is there in its place where it is not sound."""


class Commits:
    """The objects ``artifacts/<kind>/<key>.json``."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def read(self, name: Name) -> Read | None:
        """Return what commits an artifact, None if nothing does."""
        return self.read_many([name]).get(name)

    def read_many(self, names: Iterable[Name]) -> dict[Name, Read]:
        """Return what commits those artifacts that are there, all asked for at once."""
        places = {_place(name): name for name in names}
        found = self._objects.read_many(places)
        return {places[place]: _opened(content, place) for place, content in found.items()}

    def create(self, name: Name, commit: Commit) -> bool:
        """Commit an artifact unless another is there; tells whether it is this one that is there now."""
        return self._objects.create(_place(name), commit.content())

    def delete(self, name: Name) -> None:
        """Let an artifact be no part of the store any more."""
        self._objects.delete([_place(name)])

    def listing(self, kind: str = "") -> dict[Name, Found]:
        """Return the artifacts of a kind, or all, by one listing; other objects are passed over."""
        found = self._objects.listing(f"artifacts/{kind}".rstrip("/"))
        return {(named[1], named[2]): info for place, info in found.items() if (named := _PLACE.fullmatch(place))}


def began(data: str) -> float:
    """Return when an upload began, in seconds of the epoch; infinity for a name that no commit gave."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(data.partition("-")[0], _MOMENT).replace(tzinfo=UTC).timestamp()
    return math.inf


def _place(name: Name) -> str:
    return f"artifacts/{name[0]}/{name[1]}.json"


def _opened(content: bytes, place: str) -> Read:
    try:
        found = json.loads(content)
        data = _DATA.fullmatch(found["data"])
        meta = opened(json.dumps(found["meta"]).encode(), place)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return CorruptArtifactError(f"{place} cannot be read: {error}")
    except CorruptArtifactError as error:
        return error
    return Commit(data[0], meta) if data else CorruptArtifactError(f"{place} does not say where its data is")
