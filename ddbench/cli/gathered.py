"""Results for a command that shows them: what cannot be read is said, and the rest is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from ddbench.errors import UserError, printable

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ddbench.frames import Gathered

SOME_BAD = 3
_COUNTS = ("ipc", "synthesis_seed", "evaluation_seed")
_MOST = 10  # lines; a folder of something else altogether would fill the screen


def gathered(*sources: Path) -> Gathered:
    """Gather results, and warn on stderr of files that cannot be read and of trials found more than once.

    The command goes on with the rest, and ends with ``SOME_BAD`` where it would end well and ``bad`` is not empty.

    Raises:
        UserError: no such folder or file, or nothing but files that cannot be read.
    """
    from ddbench.frames import gather

    found = gather(*sources)
    for line in [*found.bad[:_MOST], *filter(None, [found.repeated])]:
        click.echo(f"Warning: {printable(line)}", err=True)
    if found.bad[_MOST:]:
        click.echo(f"Warning: {len(found.bad) - _MOST} more files cannot be read", err=True)
    return found


def require_places(frame: pd.DataFrame) -> None:
    """Refuse trials that have no place in a table, as exports that others have edited may hold.

    Raises:
        UserError: a trial has no ipc or no seed.
    """
    trials = frame[frame["status"] != "reported"]
    missing = [name for name in _COUNTS if trials[name].isna().any()]
    if missing:
        raise UserError(f"there is a trial without '{missing[0]}', so that no table has a place for it: export it anew")
