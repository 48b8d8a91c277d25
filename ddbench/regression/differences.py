"""What two results were made with, as far as it differs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_METHOD = ("synthesizer", "generator")  # is under test, where all else is the exam
_SHOWN = 3
_LONGEST = 40  # characters of a value
_UNSET = object()


def differences(base: Mapping[str, Any], head: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return how settings differ (the column ``settings``): what forbids a comparison, and what is worth a note.

    A method's own fields may differ, for they are what is compared; its version may not, nor data, precision, teacher,
    labels, evaluator or student.
    """
    found = [each for kind in _kinds(base, head) for each in _of(kind, base.get(kind, _UNSET), head.get(kind, _UNSET))]
    return tuple(_first(text for own, text in found if not own)), tuple(_first(text for own, text in found if own))


def _kinds(base: Mapping[str, Any], head: Mapping[str, Any]) -> list[str]:
    """Return the kinds of both sides; what weighs most comes first."""
    return sorted({*base, *head}, key=lambda kind: (kind in _METHOD, kind != "data", kind))


def _first(texts: Iterator[str]) -> Iterator[str]:
    found = list(dict.fromkeys(texts))
    yield from found[:_SHOWN]
    if len(found) > _SHOWN:
        yield f"and {len(found) - _SHOWN} more"


def _of(kind: str, base: Any, head: Any) -> Iterator[tuple[bool, str]]:
    """Yield each difference of one kind, and whether it is the method's own."""
    if base == head:
        return
    if kind == "data":
        yield False, "data differs"
    elif _name(base) != _name(head):
        yield kind in _METHOD, _change(kind, _name(base), _name(head))
    else:
        own = () if kind == "synthesizer" else (kind,)
        for path, before, after in _leaves(base, head, ()):
            version = path[-1] == "version"
            what = f"{_owner(base, path)} version" if version else " ".join((*own, *path))
            yield kind in _METHOD and not version, _change(what, before, after)


def _name(identity: Any) -> Any:
    """Return what a component is called; of a kind that is not there ``none``, and of a plain setting its value."""
    if isinstance(identity, dict):
        return identity.get("name")
    return "none" if identity is _UNSET else identity


def _owner(identity: Any, path: tuple[str, ...]) -> str:
    """Return the name of the component that a field belongs to."""
    for part in path[:-1]:
        identity = identity[part]
    return str(identity.get("name", ""))


def _leaves(base: Any, head: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if not isinstance(base, dict) or not isinstance(head, dict):
        yield path, base, head
        return
    for name in sorted({*base, *head}, key=lambda name: (name != "version", name)):
        before, after = base.get(name, _UNSET), head.get(name, _UNSET)
        if before != after:
            yield from _leaves(before, after, (*path, name))


def _change(what: str, before: Any, after: Any) -> str:
    return f"{what} {_written(before)} -> {_written(after)}"


def _written(value: Any) -> str:
    words = "unset" if value is _UNSET else "none" if value is None else value
    text = words if isinstance(words, str) else json.dumps(words)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
