"""The settings of a result, and where and by what it was made, as rows for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from ddbench.environment import named
from ddbench.errors import UserError
from ddbench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Rows = Iterator[tuple[str, Text | str]]

SHORT = 12
"""Digits of a digest that are shown."""

VERBS = ("squeeze", "pretrain", "prepare", "synthesize", "relabel", "evaluate")
_PARTS = {  # the stage whose facts hold a component, and the role in which it is told
    "teacher": ("squeeze", "teacher"),
    "generator": ("pretrain", "generator"),
    "synthesizer": ("synthesize", "synthesizer"),
    "labeler": ("relabel", "labeler"),
    "evaluator": ("evaluate", "evaluator"),
    "architecture": ("evaluate", "student"),
}
_NAMED = ("name", "version")


def settings(found: Mapping[str, Any]) -> Rows:
    """Yield the data and each component with every parameter; what the user wrote otherwise is marked."""
    facts, marked = found["stages"]["evaluate"]["facts"], False
    yield "data", _data(found, facts["data"])
    for kind, (verb, role) in _PARTS.items():
        stage = found["stages"].get(verb)
        identity = stage["facts"].get(kind) if stage else None
        if isinstance(identity, dict):
            written = _written(found["trial"].get(kind, ""))
            marked = marked or not written.isdisjoint(identity)
            yield kind, _component(identity, written, _told(found, verb, role))
    yield "precision", facts["precision"]
    if marked:
        yield "", Text("* neither the default nor the recipe's at that time", style="dim")


def _data(found: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    shape = " x ".join(str(data.get(name, "?")) for name in ("channels", "image_size", "image_size"))
    held = f", every {data['holdout']}th training image held out" if data.get("holdout") else ""
    name = _told(found, "evaluate", "dataset") or found["trial"]["dataset"]
    fingerprint = short(data.get("fingerprint"))
    return f"{name}\n{data.get('num_classes', '?')} classes, {shape}{held}; fingerprint {fingerprint}"


def _told(found: Mapping[str, Any], verb: str, role: str) -> str:
    """Return name, version and distribution of what played a role, where the file tells."""
    made = found.get("made", {})
    parts = [made.get(each, {}).get("components", {}).get(role) for each in (verb, "evaluate")]
    part = next(filter(None, parts), None)
    if part is None:
        return ""
    name = part["spec"] if role == "dataset" else part["spec"].partition("[")[0]
    commit = f" at {short(part['commit'])}" if part.get("commit") else ""
    return f"{name}, version {part['version']}, of {part['distribution']}{commit}"


def short(digest: Any) -> str:
    """Return the beginning of a digest or commit, with the mark of an edited checkout."""
    text = str(digest or "unknown")
    return text[:SHORT] + ("+dirty" if text.endswith("+dirty") else "")


def _written(spec: str) -> set[str]:
    """Return the parameters that tables show: those that were neither the default nor the recipe's."""
    try:
        return set(Spec.parse(spec).mapping())
    except UserError:
        return set()


def _component(identity: Mapping[str, Any], written: set[str], told: str) -> Text:
    text = Text(told or f"{identity.get('name')}, version {identity.get('version')}")
    separator = "\n"
    for name, value in identity.items():
        if name not in _NAMED:
            marked = name in written
            text.append(separator)
            text.append(f"{'*' if marked else ''}{name} {_value(value)}", style="bold" if marked else "")
            separator = ", "
    return text


def _value(value: Any) -> str:
    if isinstance(value, dict):
        within = ", ".join(f"{name} {_value(part)}" for name, part in value.items() if name not in _NAMED)
        return f"{value.get('name', '')} ({within})" if within else str(value.get("name", ""))
    if isinstance(value, list):
        return f"({', '.join(map(_value, value))})"
    return {"None": "none", "True": "true", "False": "false"}.get(str(value), str(value))


def made(found: Mapping[str, Any]) -> Rows:
    """Yield when, by which command, where and by which code the result was made, then what earlier stages differ in."""
    stages, environment = found.get("made", {}), found["environment"] or {}
    last = stages.get("evaluate", {})
    ended = f" to {_time(last['finished_at'])}" if last.get("finished_at") else ""
    yield "when", f"{_time(found['started_at'])}{ended}"
    if last.get("command"):
        yield "command", last["command"]
    yield from _environment(environment)
    if found.get("sources"):
        yield "code", ", ".join(f"{name} {digest[:SHORT]}" for name, digest in found["sources"].items())
    yield from ((verb, _stage(stages[verb])) for verb in VERBS[:-1] if verb in stages)


def _time(written: str | None) -> str:
    return (written or "unknown").replace("T", " ").replace("+00:00", " UTC")


def _environment(environment: Mapping[str, Any]) -> Rows:
    yield "commit", short(environment.get("commit"))
    versions = {"python": environment.get("python"), **_mapping(environment.get("versions"))}
    yield "versions", ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    threads = environment.get("threads")
    computed = f", {threads} thread{'s' * (threads != 1)}" if threads else ""
    yield "device", f"{environment.get('device') or 'unknown'}{computed}"
    yield "machine", ", ".join(str(environment[name]) for name in ("cpu", "system") if environment.get(name))
    for name in ("accelerator", "numerics"):
        values = _mapping(environment.get(name))
        if values:
            yield name, ", ".join(f"{part} {_value(value)}" for part, value in values.items() if value is not None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _stage(stage: Mapping[str, Any]) -> str:
    """Tell of an earlier stage when it was made, what it came to, and what of it differs from the evaluation."""
    told = [
        _time(stage.get("started_at")),
        *([f"sha256 {stage['sha256'][:SHORT]}"] if stage.get("sha256") else []),
        *(f"{name} {_value(value)}" for name, value in named(stage.get("environment", {}))),
        *(f"{name} {digest[:SHORT]}" for name, digest in stage.get("sources", {}).items()),
        *(["not all of them by the same code in the same environment"] if stage.get("mixed") else []),
        *([f"by {stage['command']}"] if stage.get("command") else []),
    ]
    return ", ".join(told)
