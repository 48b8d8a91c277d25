"""``ddbench plugins``."""

from __future__ import annotations

import json
from dataclasses import asdict

import rich_click as click

from ddbench.cli.options import json_option


@click.command()
@json_option
def plugins(as_json: bool) -> int:
    """List the plugins that were found, their versions and hooks, and why any of them could not be used."""
    from ddbench.plugins import discover

    found = discover().found
    if as_json:
        click.echo(json.dumps([asdict(plugin) for plugin in found], indent=1))
        return 0
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("plugin", "distribution", "hooks", box=SIMPLE_HEAD, pad_edge=False)
    for plugin in found:
        state = f"[red]failed[/]: {escape(plugin.error)}" if plugin.error else ", ".join(plugin.hooks)
        table.add_row(plugin.name, f"{plugin.distribution} {plugin.version}", state)
    Console().print(table)
    return 0
