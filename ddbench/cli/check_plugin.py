"""``ddbench check-plugin``."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

import rich_click as click

from ddbench.cli.options import json_option
from ddbench.errors import UserError, suggestion
from ddbench.types import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

    from ddbench.registry import Entry
    from ddbench.spec import Spec
    from ddbench.testing.inspection import Held

BROKEN, NOTHING_TRIED = 3, 4


@click.command("check-plugin")
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(KINDS), metavar="KIND", help=f"Components of one kind alone: {', '.join(KINDS)}."
)
@json_option
def check_plugin(name: str, kind: Kind | None, as_json: bool) -> int:
    """Try a plugin on toys, in seconds, and say of each promise whether it is kept.

    NAME is a plugin's, or that of a component, with parameters if need be: 'folder[path=...]'. Few iterations and
    epochs are taken where a component has fields of such names. Exit codes: 0 all promises kept, 2 no such plugin,
    3 one is broken, 4 nothing could be tried.
    """
    start = time.monotonic()
    held: list[Held] = []
    stdout = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # what components print
        for each in _inspected(name, kind):
            held.append(each)
            if not as_json:
                _print(each, stdout)
    if as_json:
        click.echo(json.dumps(_document(held), indent=1))
    else:
        click.echo(_summary(held, time.monotonic() - start))
    return _code(held)


def _inspected(name: str, kind: Kind | None) -> Iterator[Held]:
    from ddbench.plugins import discover
    from ddbench.testing.inspection import Held, inspect

    plugin = next((each for each in discover().found if name in {each.name, each.distribution}), None)
    if plugin is not None and plugin.error:
        yield Held("plugin", plugin.name, {"can be loaded": plugin.error})
    elif plugin is not None:
        yield from inspect(plugin, kind)
    else:
        spec, entries = _components(name, kind)
        for entry in entries:
            yield from inspect(entry.plugin, entry.kind, spec)


def _components(name: str, kind: Kind | None) -> tuple[Spec, list[Entry]]:
    from ddbench.registry import registry
    from ddbench.spec import Spec

    known, spec = registry(), Spec.parse(name)
    kinds = KINDS if kind is None else (kind,)
    entries = [known.entry(each, spec.name) for each in kinds if known.has(each, spec.name)]
    if not entries:
        names = {plugin.name for plugin in known.plugins.found} | {entry.name for entry in known.entries(kind)}
        raise UserError(f"no plugin and no component is called '{spec.name}'{suggestion(spec.name, names)}")
    return spec, entries


def _code(held: Iterable[Held]) -> int:
    if any(each.broken for each in held):
        return BROKEN
    return 0 if any(each.kind != "plugin" and not each.untried for each in held) else NOTHING_TRIED


def _document(held: Iterable[Held]) -> dict[str, Any]:
    return {
        "held": [
            {
                "kind": each.kind,
                "name": each.name,
                "promises": [
                    {"promise": words, "kept": not trouble, "trouble": trouble}
                    for words, trouble in each.promises.items()
                ],
                "untried": each.untried,
            }
            for each in held
        ]
    }


def _print(held: Held, stdout: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, file=stdout)
    console.print(Text.assemble(f"{held.kind} ", (held.name, "bold")))
    for words, trouble in held.promises.items():
        _line(console, *(("✗", "red") if trouble else ("✓", "green")), f"{words}: {trouble}" if trouble else words)
    if held.untried:
        _line(console, "?", "yellow", f"not tried on the toys: {held.untried}")
    console.print()


def _line(console: Console, sign: str, style: str, text: str) -> None:
    """Print a line whose continuation stands under its first word."""
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 1))
    line.add_row(Text(f"  {sign}", style=style), Text(text))
    console.print(line)


def _summary(held: Iterable[Held], seconds: float) -> str:
    told = list(held)
    broken = sum(len(each.broken) for each in told)
    kept = sum(len(each.promises) for each in told) - broken
    untried = sum(bool(each.untried) for each in told)
    rest = f", {untried} component{'s' if untried > 1 else ''} not tried" if untried else ""
    return f"{kept} promises kept, {broken} broken{rest}, in {seconds:.1f} s"
