"""A result named on the command line: by its file, or by the beginning of its key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench.errors import UserError, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., Any]

_KEY = re.compile(r"[0-9a-f]{4,64}")
_IN_NAME = 8  # digits of the key in a file's name


def result_argument(command: Command) -> Command:
    """Add the argument that names a result, and the option that says where keys are looked up."""
    folder = click.Path(path_type=Path, file_okay=False)
    option = click.option(
        "--results", type=folder, default=Path("results"), show_default=True, help="Folder in which a key is looked up."
    )
    return click.argument("result")(option(command))


def chosen_result(named: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return a result's file and its document.

    Raises:
        UserError: there is no such file or key, it names several results, or the file cannot be read.
    """
    from ddbench.results import read

    path = Path(named)
    if path.is_dir():
        raise UserError(f"{named} is a folder: name one result file in it, or a key; 'ddbench report' shows folders")
    if path.exists() or path.is_symlink() or not _KEY.fullmatch(named):
        return path, read(path)
    return _with_key(named, folder)


def _with_key(beginning: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    from ddbench.listing import files
    from ddbench.results import read

    there = files(folder, lambda error: click.echo(f"Warning: {printable(str(error))}", err=True))
    likely = [path for path in there if path.stem.rpartition("-")[2].startswith(beginning[:_IN_NAME])]
    found = [(path, document) for path in likely if (document := read(path))["key"].startswith(beginning)]
    if not found:
        raise UserError(f"no result under {folder} has a key that begins with {beginning}; name a file, or --results")
    if len(found) > 1:
        several = ", ".join(str(path) for path, _ in found[:3])
        raise UserError(f"{len(found)} results have keys that begin with {beginning}: {several}; name one file")
    return found[0]
