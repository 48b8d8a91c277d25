"""Options that choose among results, under the names by which 'ddbench run' makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from ddbench import benchmark as grids
from ddbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    Command = Callable[..., Any]

COLUMNS = {
    "synth": "synthesizer",
    "eval": "architecture",
    "dataset": "dataset",
    "ipc": "ipc",
    "teacher": "teacher",
    "labels": "labeler",
    "evaluator": "evaluator",
    "seeds": "evaluation_seed",
    "synth_seeds": "synthesis_seed",
}
"""Of the frame, by option."""

_HELP = {
    "synth": "Synthesizers, as tables name them: 'dwa[rho=0.02],sre2l'.",
    "eval": "Evaluation architectures.",
    "dataset": "Data sets.",
    "ipc": "Images per class: 10 or 1,10,50.",
    "teacher": "Teachers.",
    "labels": "Labelers.",
    "evaluator": "Exams.",
    "seeds": "Evaluation seeds: 0-4 or 0,7.",
    "synth_seeds": "Synthesis seeds.",
}


def filter_options(command: Command) -> Command:
    """Add an option for each coordinate by which results can be chosen."""
    for name in reversed(COLUMNS):
        command = click.option(f"--{name.replace('_', '-')}", name, help=f"{_HELP[name]} [default: all]")(command)
    return command


def chosen_rows(frame: pd.DataFrame, values: dict[str, Any]) -> pd.DataFrame:
    """Return the rows that fit every option that was given.

    Raises:
        UserError: an option cannot be read, or names what no row left by the options before it has.
    """
    for option, column in COLUMNS.items():
        if values[option] is not None:
            frame = _narrowed(frame, option, column, values[option])
    return frame


def _narrowed(frame: pd.DataFrame, option: str, column: str, value: str) -> pd.DataFrame:
    flag = f"--{option.replace('_', '-')}"
    wanted = [str(each) for each in grids.settings({option: value}, flag)[option]]
    there = frame[column].astype(str)
    missing = [each for each in wanted if each not in set(there)]
    if missing:
        raise UserError(f"{flag}: no result has {column} {missing[0]}; there are {', '.join(there.unique())}")
    return frame[there.isin(wanted)]
