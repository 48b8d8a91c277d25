"""``ddbench report``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import rich_click as click

from ddbench.errors import UserError

NOTHING = 4


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("results"))
@click.option("--format", "form", default="rich", show_default=True, help="rich, markdown, csv, latex, or a plugin's.")
@click.option(
    "--benchmark",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take published numbers from this benchmark file, those that nobody measured too.",
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file instead of stdout."
)
def report(folder: Path, form: str, benchmark: Path | None, output: Path | None) -> int:
    """Show the results under FOLDER as tables, from result files alone."""
    from ddbench import benchmark as grids
    from ddbench.frames import beside, load
    from ddbench.registry import registry
    from ddbench.spec import Spec
    from ddbench.types import RenderTask

    reporter = registry().resolve("reporter", Spec.parse(form)).component
    published = grids.build(grids.load(benchmark)).reported if benchmark else None
    frame = load(folder)
    if frame.empty:
        click.echo(f"Error: no results under {folder}; 'ddbench run --out {folder}' makes some", err=True)
        return NOTHING
    frame = frame if published is None else beside(frame, published)
    width = shutil.get_terminal_size((100, 24)).columns
    text = reporter.render(RenderTask(frame, width, output is None and sys.stdout.isatty()))
    if output is None:
        click.echo(text, nl=False)
        return 0
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}") from None
    return 0
