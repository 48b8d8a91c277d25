"""``ddbench new-plugin``."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from ddbench.errors import UserError
from ddbench.templates import Package, write
from ddbench.templates.forms import FORMS
from ddbench.types import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable


@click.command("new-plugin")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(list(FORMS)),
    default="synthesizer",
    show_default=True,
    metavar="KIND",
    help=f"What it offers: {', '.join(FORMS)}.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Where to make the package's own folder, which is called NAME [default: here].",
)
def new_plugin(name: str, kind: str, folder: Path) -> int:
    """Write a package that offers one component, works as it stands, and is there to be changed.

    It holds the component, the hook that names it, tests of its promises and a CI file, with a gate against regressions
    where numbers depend on the component. 'my-method' becomes the package ddbench_my_method in the folder my-method.
    """
    package = Package(name, kind)
    _require_new(package)
    write(package, folder / name)
    _tell(package, folder / name)
    return 0


def _require_new(package: Package) -> None:
    """Refuse a name that somebody has, for a plugin, a package, or a component of the kind."""
    from ddbench.registry import registry

    known = registry()
    owner = next((each for each in known.plugins.found if package.name == each.name), None)
    if owner is not None:
        raise UserError(f"there is a plugin '{package.name}' already, of {owner.distribution}: take another name")
    for kind in KINDS:
        if kind == package.kind and known.has(kind, package.name):
            owner = known.entry(kind, package.name).plugin
            raise UserError(f"there is a {kind} '{package.name}' already, of {owner.distribution}: take another name")
    if importlib.util.find_spec(package.module) is not None:
        raise UserError(f"there is a package {package.module} already: take another name than '{package.name}'")


def _tell(package: Package, folder: Path) -> None:
    click.echo(f"{folder}/")
    for name in package.files():
        click.echo(f"  {name}")
    click.echo("\nnext:")
    for command in _next(package, folder):
        click.echo(f"  {command}")


def _next(package: Package, folder: Path) -> Iterable[str]:
    yield f"pip install -e {shlex.quote(str(folder))}"
    yield f"ddbench check-plugin {package.name}"
    yield package.try_it
