"""``ddbench show``."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - the command's annotations are read when it runs

import rich_click as click

from ddbench.cli.chosen_result import chosen_result, result_argument
from ddbench.cli.options import json_option


@click.command()
@result_argument
@json_option
def show(result: str, results: Path, as_json: bool) -> int:
    """Show RESULT, a file or the beginning of a key: its number, settings, where and by what it was made, its keys."""
    from ddbench.results import flag, recomputing

    path, found = chosen_result(result, results)
    if as_json:
        document = {"file": str(path), "flag": flag(found), "recomputes": recomputing(found), "result": found}
        click.echo(json.dumps(document, indent=1))
        return 0
    from rich.console import Console

    from ddbench.cli.sheet import sheet

    console = Console(highlight=False)
    with console.capture() as captured:
        console.print(sheet(path, found))
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
    return 0
