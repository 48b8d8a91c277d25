"""``ddbench compare``."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench.cli.gathered import SOME_BAD, gathered
from ddbench.cli.options import json_option
from ddbench.errors import UserError
from ddbench.whole_file import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ddbench.cli.comparison import Shown
    from ddbench.regression.compare import Question

NOTHING = 4
FORMATS = ("rich", "markdown", "csv", "json", "junit")


@click.command()
@click.argument("baseline", type=click.Path(path_type=Path))
@click.argument("head", type=click.Path(path_type=Path))
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Columns to compare: top1,loss [default: those that --fail-on names, else top1].",
)
@click.option(
    "--fail-on",
    multiple=True,
    help="How far a column may move: 'top1:-1.0', 'train_seconds:+20%'; or a verdict: underpowered, new, better. "
    "May be given several times.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    metavar="FORM",
    help="rich, markdown, csv, json or junit [default: rich].",
)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write the table to a file.")
@click.option("--only-changed", is_flag=True, help="Leave out what is the same.")
@json_option
def compare(baseline: Path, head: Path, form: str | None, output: Path | None, *, as_json: bool, **values: Any) -> int:
    """Compare the results HEAD with those of BASELINE, cell by cell, and fail where one became worse.

    Each is a folder of results, or what 'ddbench export' or 'ddbench run --json' wrote. Means are compared by pairs
    of seeds where each trial of one side has its partner on the other, else by Welch's test; n counts distillations
    where there are several, else trainings. The interval is at 95 %. With m the margin of a rule, 0 without one:

    \b
    WORSE         fell by m or more, and the interval excludes 0
    better        the interval is above 0
    same          the interval excludes a fall of m; without a rule: it contains 0
    underpowered  neither: too few seeds to see m, or no two trials a side
    missing       in BASELINE, and failed, absent or without a number in HEAD
    new           in HEAD alone
    incomparable  made under another exam, teacher, data, precision or version,
                  edited since, or a cost of another machine; a note says which

    The method's own settings may differ: a note says how. Where more is worse (seconds, bytes, loss), a rise counts as
    a fall does elsewhere.

    Exit codes, the first that holds: 1 WORSE by a rule (without rules: WORSE on top1) or a verdict of --fail-on,
    4 nothing comparable (a column that is new in every cell, or has one number a side, tells nothing), 5 something
    incomparable, 3 something missing, 0 otherwise. 2 is a mistake in the command.
    """  # noqa: D301 - click wants the character, before what it shall not wrap
    from ddbench.cli.comparison import Shown
    from ddbench.regression.compare import compare as compared

    if as_json and form not in {None, "json"} and output is None:
        raise UserError(f"--json and --format {form} would both go to stdout; name a file with --output")
    base, new = gathered(baseline), gathered(head)
    for path, found in ((baseline, base), (head, new)):
        if not len(found.frame):
            click.echo(f"Error: no results under {path}: nothing to compare", err=True)
            return NOTHING
    comparison = compared(base.frame, new.frame, _question(base.frame, values["metrics"], values["fail_on"]))
    if not comparison.code and (base.bad or new.bad):
        comparison = replace(comparison, code=SOME_BAD)
    shown = Shown(comparison, str(baseline), str(head), values["only_changed"])
    _write(shown, form or ("json" if as_json else "rich"), output, as_json=as_json)
    return comparison.code


def _question(frame: pd.DataFrame, metrics: Iterable[str], fail_on: Iterable[str]) -> Question:
    from ddbench.regression.compare import Question, number_columns
    from ddbench.regression.verdicts import known_column, parse

    columns = number_columns(frame)
    rules, words = parse(fail_on, columns)
    named = [known_column(part.strip(), columns) for text in metrics for part in text.split(",") if part.strip()]
    asked = dict.fromkeys((*named, *(rule.column for rule in rules)))
    return Question(tuple(asked) or ("top1",), rules, words)


def _write(shown: Shown, form: str, output: Path | None, *, as_json: bool) -> None:
    """Print or save the table; a summary goes to stderr where the table on stdout does not end with it."""
    color = output is None and sys.stdout.isatty()
    text = shown.render(form, shutil.get_terminal_size((100, 24)).columns, color=color)
    if output is not None:
        write_text(output, text)
    if output is None or as_json:
        click.echo(shown.render("json") if as_json else text, nl=False)
    if output is not None or as_json or form not in {"rich", "markdown"}:
        click.echo(shown.summary, err=True)
