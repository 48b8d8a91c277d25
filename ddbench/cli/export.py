"""``ddbench export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from ddbench.cli.gathered import SOME_BAD, gathered

if TYPE_CHECKING:
    import pandas as pd

NOTHING = 4


@click.command()
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file: a name that ends in .parquet, .csv or .json.",
)
def export(sources: tuple[Path, ...], output: Path) -> int:
    """Write all trials to one file, a row each, in the columns of 'ddbench.load'.

    SOURCES are folders of result files and earlier exports [default: results]. Commands that read results read the
    file too.
    """
    from ddbench import exports

    found = gathered(*sources or (Path("results"),))
    if found.frame.empty:
        click.echo("Error: no results there to export; 'ddbench run' makes some", err=True)
        return NOTHING
    exports.write(found.frame, output)
    click.echo(f"{output}: {told(found.frame)}")
    return SOME_BAD if found.bad else 0


def told(frame: pd.DataFrame) -> str:
    """Count trials, those that failed and those that are flagged."""
    failed, flagged = int((frame["status"] == "failed").sum()), int((frame["flag"].fillna("") != "").sum())
    return f"{len(frame)} trials, {failed} failed, {flagged} flagged"
