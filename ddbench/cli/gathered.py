"""Results for a command that shows them: what cannot be read is said, and the rest is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

if TYPE_CHECKING:
    from pathlib import Path

    from ddbench.frames import Gathered

SOME_BAD = 3
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
        click.echo(f"Warning: {line}", err=True)
    if found.bad[_MOST:]:
        click.echo(f"Warning: {len(found.bad) - _MOST} more files cannot be read", err=True)
    return found
