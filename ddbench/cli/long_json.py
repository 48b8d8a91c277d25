"""A JSON document whose lists may be long: written item by item, so that all of its text is never in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def written(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a document piece by piece: an item of a list, or another value, on a line of its own."""
    yield "{"
    for place, (name, value) in enumerate(document.items()):
        yield f"{',' if place else ''}\n {json.dumps(name)}: "
        yield from [json.dumps(value)] if isinstance(value, Mapping | str) or value is None else _items(value)
    yield "\n}\n"


def _items(values: Iterable[Any]) -> Iterator[str]:
    yield "["
    for place, value in enumerate(values):
        yield f"{',' if place else ''}\n  {json.dumps(value)}"
    yield "\n ]"
