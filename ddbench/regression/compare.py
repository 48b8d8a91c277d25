"""Two sets of results, cell by cell: what became worse, what is missing, and what cannot be compared."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddbench.regression.contrast import contrast, described
from ddbench.regression.obstacles import applies, aside, obstacle
from ddbench.regression.trials import CELL, Trials, by_cell
from ddbench.regression.verdicts import VERDICTS, more_is_worse

if TYPE_CHECKING:
    import pandas as pd

    from ddbench.regression.contrast import Contrast
    from ddbench.regression.trials import Cell
    from ddbench.regression.verdicts import Rule, Verdict

_EXAM = ("teacher", "labeler", "evaluator")
_NOT_MEASURED = ("ipc", "synthesis_seed", "evaluation_seed", "reported", "reported_std")

Sides = tuple[Trials, Trials]


@dataclass(frozen=True, slots=True)
class Compared:
    """One column of one cell.

    Attributes:
        cell: its coordinates, named by ``CELL``.
        column: of the frame.
        verdict: what it comes to.
        contrast: the numbers.
        notes: why it comes to that, and what else to know.
        fails: whether the comparison fails for it.
    """

    cell: Cell
    column: str
    verdict: Verdict
    contrast: Contrast
    notes: tuple[str, ...] = ()
    fails: bool = False

    @property
    def answers(self) -> bool:
        """Whether it tells of HEAD against BASELINE: what is new has no baseline, a single number no spread."""
        no_spread = self.verdict == "underpowered" and math.isnan(self.contrast.interval.low)
        return self.verdict != "new" and not no_spread


@dataclass(frozen=True)
class Question:
    """What to compare, and what fails.

    Attributes:
        columns: to compare.
        rules: how far some of them may move.
        words: verdicts that fail as a regression does.
    """

    columns: tuple[str, ...] = ("top1",)
    rules: tuple[Rule, ...] = ()
    words: tuple[str, ...] = ()

    def rule(self, column: str) -> Rule | None:
        """Return the rule on a column, if there is one."""
        return next((rule for rule in self.rules if rule.column == column), None)

    def is_regression(self, column: str, verdict: Verdict) -> bool:
        """Tell whether a verdict is WORSE by a rule, or without any rule WORSE on top1, or one that was named."""
        ruled = self.rule(column) is not None or (not self.rules and column == "top1")
        return verdict in self.words or (verdict == "WORSE" and ruled)


@dataclass(frozen=True)
class Comparison:
    """All cells and columns.

    Attributes:
        rows: those that matter most first, else in the order of the baseline.
        code: what a command ends with: 1 a regression, else 4 nothing comparable (no cell on both sides, or a column
            that is new in every cell or has one number a side), else 5 something incomparable, else 3 something
            missing, else 0.
    """

    rows: tuple[Compared, ...]
    code: int

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have which verdict."""
        found = Counter(row.verdict for row in self.rows)
        return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}


def number_columns(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns that can be compared."""
    return tuple(str(name) for name in frame.columns if frame[name].dtype.kind == "f" and name not in _NOT_MEASURED)


def compare(base: pd.DataFrame, head: pd.DataFrame, question: Question) -> Comparison:
    """Compare two frames of trials, as ``ddbench.load`` gives them."""
    cells = _matched(by_cell(base), by_cell(head))
    named = [(cell, sides, column) for column in question.columns for cell, sides in cells.items()]
    rows = [_row(*each, question) for each in named if applies(*each[1], each[2])]
    rows.sort(key=lambda row: VERDICTS.index(row.verdict))
    common = any(before and after for before, after in cells.values())
    answered = all(any(row.answers for row in rows if row.column == column) for column in question.columns)
    return Comparison(tuple(rows), _code(rows, question, nothing=not (common and answered)))


def _code(rows: list[Compared], question: Question, *, nothing: bool) -> int:
    found = {row.verdict for row in rows}
    regression = any(question.is_regression(row.column, row.verdict) for row in rows)
    reasons = ((1, regression), (4, nothing), (5, "incomparable" in found), (3, "missing" in found))
    return next((code for code, holds in reasons if holds), 0)


def _row(cell: Cell, sides: Sides, column: str, question: Question) -> Compared:
    found = obstacle(*sides, column)
    numbers = described(*sides, column) if found else contrast(*sides, column)
    rule = question.rule(column)
    margin = rule.margin(numbers.base.mean) if rule else 0
    verdict, why = found or numbers.verdict(margin, rises=more_is_worse(column))
    notes = tuple(filter(None, (why, *numbers.notes, *aside(*sides))))
    fails = verdict in {"missing", "incomparable"} or question.is_regression(column, verdict)
    return Compared(cell, column, verdict, numbers, notes, fails)


def _matched(base: dict[Cell, Trials], head: dict[Cell, Trials]) -> dict[Cell, Sides]:
    """Lay the cells of both sides beside each other; a side that lacks one has no trials of it."""
    renamed = _under_other_exams(base, head)
    cells = {cell: (trials, head.get(renamed.get(cell, cell), Trials())) for cell, trials in base.items()}
    alone = [cell for cell in head if cell not in base and cell not in renamed.values()]
    return cells | {cell: (Trials(), head[cell]) for cell in alone}


def _under_other_exams(base: dict[Cell, Trials], head: dict[Cell, Trials]) -> dict[Cell, Cell]:
    """Return cells of the baseline of which HEAD has just one, with another teacher, labeler or exam."""
    before, after = _alone(base, head), _alone(head, base)
    return {before[images]: after[images] for images in before if images in after}


def _alone(own: dict[Cell, Trials], other: dict[Cell, Trials]) -> dict[Cell, Cell]:
    """Return the cells that only one side has, by what stays under another exam; none of those that share it."""
    found: dict[Cell, list[Cell]] = defaultdict(list)
    for cell in (cell for cell in own if cell not in other):
        found[tuple(value for name, value in zip(CELL, cell, strict=True) if name not in _EXAM)].append(cell)
    return {images: cells[0] for images, cells in found.items() if len(cells) == 1}
