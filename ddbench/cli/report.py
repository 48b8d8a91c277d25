"""``ddbench report``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench.cli.gathered import SOME_BAD, gathered, require_places
from ddbench.cli.options import metrics_option, store_option
from ddbench.errors import UserError
from ddbench.types import NUMBERS
from ddbench.whole_file import write_text

if TYPE_CHECKING:
    import pandas as pd

    from ddbench.types import Select

NOTHING = 4


@click.command()
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format", "form", default="rich", show_default=True, help="rich, markdown, csv, latex, html, or a plugin's."
)
@click.option(
    "--benchmark",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take published numbers from this benchmark file, those that nobody measured too.",
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file instead of stdout."
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page to look at: short for --format html --output FILE.",
)
@metrics_option
@click.option(
    "--select", type=click.Choice(list(NUMBERS)), default="last", show_default=True, help="The epoch that counts."
)
@store_option
def report(sources: tuple[Path, ...], benchmark: Path | None, metrics: str | None, select: Select, **given: Any) -> int:
    """Show results as tables or as a page, from result files alone.

    SOURCES are folders of result files and what 'ddbench export' wrote [default: results]. A page shows the distilled
    images too, as far as the store has them.
    """
    from ddbench.cli.stored_images import stored_images
    from ddbench.metrics import scored
    from ddbench.registry import registry
    from ddbench.spec import Spec
    from ddbench.types import RenderTask

    form, output = _form(**given)
    reporter = registry().resolve("reporter", Spec.parse(form)).component
    found = gathered(*sources or (Path("results"),))
    if found.frame.empty:
        return _nothing(sources or (Path("results"),))
    require_places(found.frame)
    frame, columns = scored(_beside(found.frame, benchmark), Spec.parse_list(metrics or ""), select)
    width = shutil.get_terminal_size((100, 24)).columns
    color, images = output is None and sys.stdout.isatty(), stored_images(given["store"])
    text = reporter.render(RenderTask(frame, width, color, found.documents, images, columns, select))
    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)
    return SOME_BAD if found.bad else 0


def _form(form: str, output: Path | None, html: Path | None, **_: Any) -> tuple[str, Path | None]:
    """Return the form of the report and the file to write."""
    if html is None:
        return form, output
    if output is not None or form not in {"rich", "html"}:
        raise UserError("--html FILE is short for --format html --output FILE: leave out what it says")
    return "html", html


def _nothing(sources: tuple[Path, ...]) -> int:
    places = ", ".join(map(str, sources))
    click.echo(f"Error: no results under {places}; 'ddbench run --out {sources[0]}' makes some", err=True)
    return NOTHING


def _beside(frame: pd.DataFrame, benchmark: Path | None) -> pd.DataFrame:
    """Return a frame with the published numbers of a benchmark file, if one is named."""
    from ddbench import benchmark as grids
    from ddbench.frames import beside

    return frame if benchmark is None else beside(frame, grids.build(grids.load(benchmark)).reported)
