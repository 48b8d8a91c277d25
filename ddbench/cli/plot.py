"""``ddbench plot``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench.cli.filters import chosen_rows, filter_options
from ddbench.cli.gathered import SOME_BAD, gathered, require_places
from ddbench.types import NUMBERS

if TYPE_CHECKING:
    from ddbench.types import Select

NOTHING = 4


@click.command()
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path))
@click.option("--kind", required=True, help="heatmap, ipc-curve, cost, label-bytes, curves.")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The figure: a name that ends in .svg, .png or .pdf.",
)
@filter_options
@click.option(
    "--select", type=click.Choice(list(NUMBERS)), default="last", show_default=True, help="The epoch that counts."
)
def plot(sources: tuple[Path, ...], kind: str, output: Path, select: Select, **values: Any) -> int:
    """Draw one figure of results, as it is in the page of 'ddbench report --html'.

    SOURCES are folders of result files and what 'ddbench export' wrote [default: results]; training curves are in
    result files alone.
    """
    from ddbench.cli.figures import plain_style, require_format, require_matplotlib, write
    from ddbench.registry import registry
    from ddbench.spec import Spec
    from ddbench.types import RenderTask

    require_matplotlib()
    require_format(output)
    drawer = registry().resolve("reporter", Spec.of("figure", {"kind": kind})).component
    found = gathered(*sources or (Path("results"),))
    if found.frame.empty:
        click.echo("Error: no results there to draw; 'ddbench run' makes some", err=True)
        return NOTHING
    require_places(found.frame)
    task = RenderTask(chosen_rows(found.frame, values), documents=found.documents, select=select)
    with plain_style():
        write(drawer.draw(task), output)
    click.echo(f"figure: {output}")
    return SOME_BAD if found.bad else 0
