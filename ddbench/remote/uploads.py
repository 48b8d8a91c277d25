"""What was uploaded to a store under a URL: ``data/<key>/<name>/<file>``, whether a commit names it or not."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ddbench.remote.commits import began

if TYPE_CHECKING:
    from ddbench.remote.objects import Objects

_PLACE = re.compile(r"data/(\w+)/([\w-]+)/.+")


@dataclass
class Upload:
    """The files of one upload.

    Attributes:
        changed: when the last of them came by the server's clock, or it began by the uploader's if that is later, in
            seconds of the epoch: either clock may be wrong.
        nbytes: of all files.
        places: names of the objects.
    """

    changed: float
    nbytes: int = 0
    places: list[str] = field(default_factory=list)


def uploads(objects: Objects) -> dict[tuple[str, str], Upload]:
    """Return all uploads by key and name, by one listing; objects that are no artifact's are passed over."""
    found: dict[tuple[str, str], Upload] = {}
    for place, info in objects.listing("data").items():
        if named := _PLACE.fullmatch(place):
            upload = found.setdefault((named[1], named[2]), Upload(began(named[2])))
            upload.changed = max(upload.changed, info.changed)
            upload.nbytes += info.nbytes
            upload.places.append(place)
    return found
