"""``ddbench info``."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import typing
from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench.cli.options import json_option
from ddbench.errors import UserError, suggestion
from ddbench.types import KINDS

if TYPE_CHECKING:
    from ddbench.registry import Entry


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
    return (
        hint.__name__
        if isinstance(hint, type) and not typing.get_args(hint)
        else re.sub(r"typing\.|NoneType", lambda match: "none" if match[0] == "NoneType" else "", str(hint))
    )


def _limit(limit: Any) -> str:
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    return ", ".join(
        f"{sign} {getattr(limit, name)}" for name, sign in signs.items() if getattr(limit, name, None) is not None
    )


def _print(document: dict[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(
        f"[bold]{document['name']}[/]  {document['kind']}, version {document['version']}, {document['origin']}\n"
    )
    console.print(document["description"], markup=False)
    recipes = document["recipes"]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title="parameters", title_justify="left", title_style="bold")
    for name in ("name", "type", "default", *recipes, "note"):
        table.add_column(name, overflow="fold")
    for row in document["parameters"]:
        cells = [_value(recipes[recipe][row["name"]]) if row["name"] in recipes[recipe] else "" for recipe in recipes]
        default = "required" if row["required"] else _value(row["default"])
        table.add_row(*(text.replace("[", r"\[") for text in (row["name"], row["type"], default, *cells, row["note"])))
    if document["parameters"]:
        console.print()
        console.print(table)


def _value(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
