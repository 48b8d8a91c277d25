"""From what a result file records back to a benchmark of one trial, every parameter written out."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ddbench import benchmark as grids
from ddbench.errors import UserError
from ddbench.registry import registry
from ddbench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ddbench.types import Kind, StageKind

OPTIONS: dict[str, Kind] = {
    "teacher": "teacher",
    "synth": "synthesizer",
    "labels": "labeler",
    "evaluator": "evaluator",
    "eval": "architecture",
}
"""Options by which a component can be named again, for a path of which the file holds but a digest."""

_STAGE: dict[Kind, StageKind] = {"teacher": "squeeze", "synthesizer": "synthesize", "labeler": "relabel"}
_LAST: StageKind = "evaluate"  # the stage of the others
_NONE: Mapping[str, Any] = MappingProxyType({})


def benchmark_of(found: Mapping[str, Any], given: Mapping[str, Spec], *, pinned: bool) -> grids.Benchmark:
    """Return a benchmark of the trial of a document and no other.

    Args:
        found: the document.
        given: components named again, by option: ``dataset`` and those of ``OPTIONS``.
        pinned: also write out what the file leaves open, at the defaults of the classes.

    Raises:
        UserError: a component is not installed, or wants a path that the file does not hold.
    """
    trial, facts = found["trial"], found["stages"]["evaluate"]["facts"]
    named = {option: _component(found, option, given.get(option), pinned=pinned) for option in OPTIONS}
    chosen: dict[str, Any] = {
        **{option: (spec,) for option, spec in named.items() if spec is not None},
        "dataset": (_dataset(found, given.get("dataset")),),
        "ipc": (trial["ipc"],),
        "seeds": (trial["evaluation_seed"],),
        "synth_seeds": (trial["synthesis_seed"],),
        "precision": facts["precision"],
        "select": "val" if facts["data"].get("holdout") else "last",
        "teacher_floor": 0.0,
        "name": "rerun",
    }
    return grids.build(chosen)


def _component(found: Mapping[str, Any], option: str, given: Spec | None, *, pinned: bool) -> Spec | None:
    """Return the spec of a component; None for a teacher that nothing of the trial asks."""
    kind = OPTIONS[option]
    stage = found["stages"].get(_STAGE.get(kind, _LAST))
    if stage is None:
        return given
    identity, shown = stage["facts"].get(kind), _name_of(found["trial"][kind])
    if not isinstance(identity, dict) or not isinstance(identity.get("name"), str):
        raise UserError(f"the file's settings name no {kind}: it is no result of ddbench as it is")
    if given is not None and given.name not in {identity["name"], shown}:
        return given
    name = shown if kind != "teacher" and registry().has(kind, shown) else identity["name"]
    told = {**_told(found, kind), **(given.mapping() if given is not None else {})}
    try:
        return spec_of(kind, identity, name, f"--{option} '{{}}'", told, pinned=pinned)
    except UserError as error:
        maker = shipped(found).get(_role(kind))
        raise UserError(f"{error}{f'; it was made with {maker}' if maker else ''}") from None


def _name_of(shown: str) -> str:
    try:
        return Spec.parse(shown).name
    except UserError:
        return ""


def _role(kind: Kind) -> str:
    return "student" if kind == "architecture" else kind


def _told(found: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """Return the parameters that the file tells beside the facts; of components within, the facts tell more."""
    part = _parts(found).get(_role(kind))
    values = Spec.parse(part["spec"]).mapping() if part else {}
    return {name: value for name, value in values.items() if name not in _WITHIN}


_WITHIN: dict[str, Kind] = {"architecture": "architecture", "generator": "generator"}


def shipped(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the distribution behind each role, as far as the file tells."""
    return {role: part["distribution"] for role, part in _parts(found).items()}


def _parts(found: Mapping[str, Any]) -> dict[str, Any]:
    stages = found.get("made", {}).values()
    return {role: part for made in stages for role, part in made.get("components", {}).items()}


def unnamed(found: Mapping[str, Any], given: Mapping[str, Spec]) -> Iterator[str]:
    """Yield how to name again what the file tells with a path, unless it was given: here it may lie elsewhere."""
    parts = _parts(found)
    for option, kind in {"dataset": "dataset", **OPTIONS}.items():
        part = parts.get(_role(kind))
        spec = Spec.parse(part["spec"]) if part else None
        if spec is not None and option not in given and "path" in spec.mapping():
            yield f"--{option} '{spec.name}[path=...]'"


def spec_of(
    kind: Kind,
    identity: Mapping[str, Any],
    name: str,
    again: str,
    told: Mapping[str, Any] = _NONE,
    *,
    pinned: bool = True,
) -> Spec:
    """Return the spec that an identity stands for, every parameter that it holds written out.

    Args:
        kind: of component.
        identity: what of it is in keys.
        name: under which to look it up.
        again: how the user can name it again, with ``{}`` for the spec.
        told: parameters that are known otherwise, from the user or the file; they come first.
        pinned: also write out parameters that the identity leaves out, at the defaults of the class.

    Raises:
        UserError: no such component is installed, or a parameter without a default is not known.
    """
    entry = registry().entry(kind, name)
    fields = {field.name: field for field in dataclasses.fields(entry.load())}
    if entry.family:
        del fields["name"]
    defaults = {part: value for part, field in fields.items() if (value := _default(field)) is not dataclasses.MISSING}
    told = {part: value for part, value in told.items() if part in fields}
    known = {part: value for part, value in identity.items() if part in fields.keys() - told.keys()}
    unknown = [part for part in fields if part not in {**known, **told, **defaults}]
    if unknown:
        again = again.format(f"{name}[{unknown[0]}=...]")
        raise UserError(f"the file does not hold the {unknown[0]} that {kind} '{name}' read from: add {again}")
    within = {
        part: str(spec_of(_WITHIN[part], value, str(value.get("name")), again.format(f"{name}[{part}={{}}]")))
        for part, value in known.items()
        if part in _WITHIN and isinstance(value, dict)
    }
    return Spec.of(name, {**(defaults if pinned else {}), **known, **within, **told})


def _default(field: dataclasses.Field[Any]) -> Any:
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


def _dataset(found: Mapping[str, Any], given: Spec | None) -> Spec:
    """Return the data set: as the user names it, over what the file tells, else by the name that tables call it."""
    part = _parts(found).get("dataset")
    spec = Spec.parse(part["spec"] if part else found["trial"]["dataset"])
    if given is not None:
        return spec.with_params(**given.mapping()) if given.name == spec.name else given
    if not registry().has("dataset", spec.name):
        raise UserError(
            f"the file calls its data set '{spec}', and no data set of that name is installed: "
            "name it by --dataset, such as 'folder[path=...]'"
        )
    return spec
