"""Every component that is registered declares itself, and every recipe fits its component."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest

from ddbench.plugins import discover
from ddbench.registry import OCCASIONS, Registry, recipes, settled
from ddbench.spec import Spec
from ddbench.testing.conformance import check_declaration, check_plugin
from ddbench.testing.conformance.declaration import UNCITED
from ddbench.types import KINDS

if TYPE_CHECKING:
    from ddbench.registry import Entry

REGISTRY = Registry(discover())
ENTRIES = REGISTRY.entries()
WEIGHTS_NEEDED = {"pretrained", "folder"}  # generators whose key is the content of files that are not here
RECIPES = [(entry, recipe) for entry in ENTRIES for recipe in recipes(entry)]


def label(value: object) -> str:
    return value if isinstance(value, str) else getattr(value, "name", "")


def required(entry: Entry) -> dict[str, Any]:
    """Return a value for each parameter without a default: they are paths, and some must be of a file."""
    missing = dataclasses.MISSING
    fields = [field for field in dataclasses.fields(entry.load()) if field.default is missing]
    return {} if entry.family else {field.name: __file__ for field in fields}


def test_every_kind_has_a_component_and_no_plugin_is_broken() -> None:
    assert not REGISTRY.broken
    assert {entry.kind for entry in ENTRIES} == set(KINDS)


@pytest.mark.parametrize("entry", ENTRIES, ids=label)
def test_a_component_declares_itself(entry: Entry) -> None:
    check_declaration(entry.load(), cited=entry.kind not in UNCITED)


@pytest.mark.parametrize(
    "entry", [each for each in ENTRIES if each.kind != "generator" or each.name not in WEIGHTS_NEEDED], ids=label
)
def test_a_components_defaults_are_valid_and_can_be_written_down(entry: Entry) -> None:
    name = entry.name.replace("*", "resnet18")
    resolved = REGISTRY.resolve(entry.kind, Spec.of(name, required(entry)))
    assert Spec.parse(str(resolved.full)) == resolved.full
    assert REGISTRY.create(entry.kind, resolved.full) == resolved.component


@pytest.mark.parametrize(("entry", "recipe"), RECIPES, ids=label)
def test_a_recipe_fits_its_component_on_every_occasion(entry: Entry, recipe: str) -> None:
    table = recipes(entry)[recipe]
    occasions = [{part: name} for part in OCCASIONS for name in table.get(part, {})]
    for occasion in [{}, *occasions]:
        resolved = REGISTRY.resolve(entry.kind, Spec.of(entry.name, required(entry)), recipe, occasion)
        written = settled(table, occasion)
        assert written
        assert {name: getattr(resolved.component, name) for name in written} == written


@pytest.mark.parametrize(("entry", "recipe"), RECIPES, ids=label)
def test_what_a_recipe_holds_beside_values_is_known(entry: Entry, recipe: str) -> None:
    table = recipes(entry)[recipe]
    assert {name for name, value in table.items() if isinstance(value, dict)} <= {*OCCASIONS, "labels"}
    networks = [*table.get("student", {}), *table.get("architecture", {})]
    assert all(REGISTRY.has("architecture", name) for name in networks)
    assert all(re.fullmatch(r"[1-9]\d*(-([1-9]\d*)?)?", ipc) for ipc in table.get("ipc", {}))
    assert table.get("labels", {}).keys() <= {"temperature", "teacher_mode"}


@pytest.mark.parametrize("plugin", [plugin.module for plugin in REGISTRY.plugins.found])
def test_a_built_in_plugin_keeps_the_promises_of_a_plugin(plugin: str) -> None:
    check_plugin(plugin)
