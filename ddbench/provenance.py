"""How the stages behind a result were made, from what the store keeps beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddbench.keys import canonical_json, digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LAST = "evaluate"


def made(keys: Mapping[str, Sequence[str]], metas: Mapping[str, Any]) -> dict[str, Any]:
    """Return for each verb whose stages are all known when, where, by what and by which command they were made.

    Environment, sources and components of the evaluation are told in full, of the other stages what differs from them.
    ``sha256`` is that of the stored file, or a digest of those of all files. ``mixed`` is there where the stages of one
    verb were not made by the same code in the same environment; the first of them is told.
    """
    known = {verb: [metas[key] for key in each] for verb, each in keys.items() if each and metas.keys() >= set(each)}
    last = known[_LAST][0] if _LAST in known else {}
    return {verb: _told(stages, {} if verb == _LAST else last) for verb, stages in known.items()}


def _told(stages: Sequence[Mapping[str, Any]], last: Mapping[str, Any]) -> dict[str, Any]:
    first = stages[0]
    parts = {name: _apart(first.get(name) or {}, last.get(name) or {}) for name in _PARTS}
    values = {
        "started_at": min(filter(None, (stage.get("started_at") for stage in stages)), default=None),
        "finished_at": max(filter(None, (stage.get("finished_at") for stage in stages)), default=None),
        "command": first.get("command") if first.get("command") != last.get("command") else None,
        **({name: parts[name] for name in _PARTS} if last else {"components": parts["components"]}),
        "sha256": _sha256([file["sha256"] for stage in stages for _, file in sorted(stage.get("files", {}).items())]),
        "mixed": len({canonical_json([stage.get(name) for name in _PARTS]) for stage in stages}) > 1,
    }
    return {name: value for name, value in values.items() if value}


_PARTS = ("environment", "sources", "components")


def _apart(found: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of one mapping is not in another, or differs there; of mappings in it likewise."""
    pairs = ((name, value, other.get(name)) for name, value in found.items() if other.get(name) != value)
    return {
        name: _apart(value, there) if name in _NESTED and isinstance(there, dict) else value
        for name, value, there in pairs
    }


_NESTED = ("versions", "numerics", "accelerator")  # of an environment: told name by name


def _sha256(files: Sequence[str]) -> str | None:
    if len(files) < 2:
        return files[0] if files else None
    return digest(list(files))
