"""``ddbench info``."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
import typing
from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench.cli.options import json_option
from ddbench.errors import UserError, suggestion
from ddbench.types import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from ddbench.registry import Entry


_OF_METRICS = ("unit", "higher_is_better")


@click.command()
@click.argument("name")
@json_option
def info(name: str, as_json: bool) -> int:
    """Tell about a component: what it does, its parameters, their types and defaults, and its recipes."""
    documents = [_document(entry) for entry in _entries(name)]
    if as_json:
        click.echo(json.dumps(documents[0] if len(documents) == 1 else documents, indent=1))
        return 0
    for document in documents:
        _print(document)
    return 0


def _entries(name: str) -> list[Entry]:
    from ddbench.registry import registry

    known = registry()
    found = [known.entry(kind, name) for kind in KINDS if known.has(kind, name)]
    if not found:
        raise UserError(f"unknown component '{name}'{suggestion(name, {entry.name for entry in known.entries()})}")
    return found


def _document(entry: Entry) -> dict[str, Any]:
    from ddbench.registry import recipes

    target = entry.load()
    text, notes = _docstring(target)
    return {
        "kind": entry.kind,
        "name": entry.name,
        "version": target.version,  # type: ignore[attr-defined]  # load() has seen to it
        "origin": f"{entry.plugin.distribution} {entry.plugin.version}",
        **({name: getattr(target, name) for name in _OF_METRICS} if entry.kind == "metric" else {}),
        "description": text,
        "parameters": [_parameter(field, target, notes) for field in dataclasses.fields(target)],
        "recipes": recipes(entry),
    }


def _docstring(target: type) -> tuple[str, dict[str, str]]:
    """Split a docstring into its text and what its ``Attributes:`` section says of each field."""
    text, _, section = (inspect.getdoc(target) or "").partition("\nAttributes:\n")
    notes: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(section).splitlines():
        match = re.match(r"(\w+): (.*)", line)
        if match:
            name = match[1]
            notes[name] = match[2]
        elif name and line.startswith(" "):
            notes[name] += f" {line.strip()}"
    return text.strip(), notes


def _parameter(field: dataclasses.Field[Any], target: type, notes: dict[str, str]) -> dict[str, Any]:
    hint = typing.get_type_hints(target, include_extras=True)[field.name]
    required = field.default is dataclasses.MISSING
    return {
        "name": field.name,
        "type": _type(hint),
        "default": None if required else field.default,
        "required": required,
        "note": notes.get(field.name, ""),
    }


def _type(hint: Any) -> str:
    """Write a type as its user would: ``float > 0``, ``"sgd" | "adamw"``."""
    if typing.get_origin(hint) is typing.Annotated:
        base, *limits = typing.get_args(hint)
        return " ".join([_type(base), *(_limit(limit) for limit in limits)])
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(str(value) for value in typing.get_args(hint))
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return " | ".join(_type(part) for part in typing.get_args(hint))
    if hint is type(None):
        return "none"
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")


def _limit(limit: Any) -> str:
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    return ", ".join(
        f"{sign} {getattr(limit, name)}" for name, sign in signs.items() if getattr(limit, name, None) is not None
    )


def _print(document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    origin = f"{document['kind']}, version {document['version']}, {document['origin']}"
    if "unit" in document:
        origin += f"; {document['unit']}, {'higher' if document['higher_is_better'] else 'lower'} is better"
    console.print(Text.assemble((document["name"], "bold"), f"  {origin}\n"))
    for paragraph in document["description"].split("\n\n"):
        console.print(Text(" ".join(paragraph.split()) + "\n"))
    for row in document["parameters"]:
        default = "required" if row["required"] else f"default {_value(row['default'])}"
        console.print(Text.assemble((row["name"], "bold"), f"  {row['type']}, {default}"))
        console.print(Padding(Text(row["note"]), (0, 0, 0, 4)))
    if document["recipes"]:
        console.print(_recipe_table(document))
    for line in _occasions(document["recipes"]):
        console.print(Text(line))


def _recipe_table(document: dict[str, Any]) -> Table:
    """Return what the recipes set, a column each; the data set chooses the column."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    recipes = document["recipes"]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title="recipes", title_justify="left")
    table.add_column("", no_wrap=True)
    for recipe in recipes:
        table.add_column(recipe, overflow="fold")
    for name in (row["name"] for row in document["parameters"]):
        if any(name in values for values in recipes.values()):
            cells = (Text(_value(values[name]) if name in values else "") for values in recipes.values())
            table.add_row(name, *cells)
    return table


def _occasions(recipes: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Say what recipes set for some ipc, students or architectures alone, and how they have labels asked."""
    from ddbench.registry import OCCASIONS

    for recipe, values in recipes.items():
        for part in OCCASIONS:
            for name, special in values.get(part, {}).items():
                yield f"{recipe}, {part} {name}: {_settings(special)}"
        if "labels" in values:
            yield f"{recipe}, labels: {_settings(values['labels'])}"


def _settings(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items())


def _value(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
