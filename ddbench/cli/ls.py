"""``ddbench ls``."""

from __future__ import annotations

import json
from typing import Any

import rich_click as click

from ddbench.cli.options import json_option, warn_of_broken_plugins
from ddbench.errors import UserError, suggestion
from ddbench.types import KINDS

_ALIASES = {"synth": "synthesizer", "eval": "architecture", "labels": "labeler"}


@click.command()
@click.argument("kind", required=False)
@json_option
def ls(kind: str | None, as_json: bool) -> int:
    """List components: all, or of one KIND (dataset, architecture, teacher, synthesizer, ...)."""
    from ddbench.registry import registry

    warn_of_broken_plugins()
    rows = [_row(entry) for entry in registry().entries(_kind(kind))]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        _print(rows)
    return 0


def _kind(text: str | None) -> Any:
    if text is None:
        return None
    name = _ALIASES.get(text, text)
    for known in KINDS:
        if name in {known, f"{known}s"}:
            return known
    raise UserError(f"unknown kind '{text}'{suggestion(text, KINDS)}")


def _row(entry: Any) -> dict[str, Any]:
    from ddbench.headline import headline

    summary, version = headline(entry)
    origin = f"{entry.plugin.distribution} {entry.plugin.version}"
    return {"kind": entry.kind, "name": entry.name, "summary": summary, "version": version, "origin": origin}


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("kind", "name", "summary", "origin"):
        table.add_column(name, style="bold" if name == "name" else "dim" if name == "origin" else "")
    last = None
    for row in rows:
        if last not in {None, row["kind"]}:
            table.add_section()
        table.add_row(
            "" if last == row["kind"] else row["kind"], row["name"].replace("[", r"\["), row["summary"], row["origin"]
        )
        last = row["kind"]
    Console().print(table)
