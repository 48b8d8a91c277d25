"""How much of an accuracy the images earn: against random real images, and without soft labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Ge, Le

from ddbench_metrics import formulas, trials
from ddbench_metrics.trials import FULL, HARD, RANDOM, Trials, is_full

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ddbench.types import Cell
    from ddbench_metrics.trials import Row

Share = Annotated[float, Ge(0), Le(1)]


def random_of(cell: Cell) -> list[Cell]:
    """Return the cell of as many real images by lot under the same labels and exam; none of all real images."""
    return [] if cell.synthesizer.name == FULL.name else [replace(cell, synthesizer=RANDOM)]


def improvement(row: Row, others: Trials) -> float:
    """Return a trial's accuracy less that of random real images, as a fraction; 0 where it is of all real images."""
    return trials.accuracy(row) - (
        trials.accuracy(row) if is_full(row) else others.accuracy(row, synthesizer=str(RANDOM))
    )


def recovery(row: Row, others: Trials) -> float:
    """Return the accuracy of all real images less that of the trial's images, both with class labels, as a fraction."""
    hard = {"labeler": str(HARD)}
    return others.accuracy(row, synthesizer=str(FULL), **hard) - others.accuracy(row, **hard)


@dataclass(frozen=True)
class IOR:
    """Improvement over random: accuracy less that of as many random real images, same labels and exam.

    Source: Li et al., "DD-Ranking: Rethinking the Evaluation of Dataset Distillation" (arXiv 2505.13300). In [-1, 1].
    Both sides sit the same exam with the same seeds, and so have the same learning rates to choose from: DD-Ranking's
    package gives the method one learning rate and random images five. It takes the best epoch on the test split on both
    sides: ``--select best``. All real images are their own random choice: 0.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool] = True

    def needs(self, cell: Cell) -> Iterable[Cell]:
        """Return the cell of random real images."""
        return random_of(cell)

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return acc(images) - acc(random)."""
        others = Trials.of(frame)
        return trials.each(frame, lambda row: improvement(row, others))


@dataclass(frozen=True)
class HLR:
    """Hard label recovery: what is lost with class labels alone, from all real images to these.

    Source: Li et al., "DD-Ranking" (arXiv 2505.13300): acc(full, hard) - acc(images, hard), in [-1, 1]; less is better.
    Both are trained here, under the exam of the cell, where DD-Ranking's package looks up the accuracy of all images.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool] = False

    def needs(self, cell: Cell) -> Iterable[Cell]:
        """Return the cell with class labels, and that of all real images with class labels."""
        hard = replace(cell, labeler=HARD)
        return [hard, replace(hard, synthesizer=FULL)]

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return acc(full, hard) - acc(images, hard)."""
        others = Trials.of(frame)
        return trials.each(frame, lambda row: recovery(row, others))


@dataclass(frozen=True)
class LRS:
    """Label robust score: improvement over random and hard label recovery in one number, in [0, 1].

    Source: Li et al., "DD-Ranking" (arXiv 2505.13300): with alpha = w IOR - (1 - w) HLR, LRS = (e^alpha - e^-1) /
    (e - e^-1), on accuracies as fractions, so that alpha = 0 gives 0.269. Trials are scored seed by seed. See ``ior``
    and ``hlr`` for the references.

    Attributes:
        weight: w, of IOR; DD-Ranking's lambda, 0.5 there.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool] = True

    weight: Share = 0.5

    def needs(self, cell: Cell) -> Iterable[Cell]:
        """Return the cells that ``ior`` and ``hlr`` need."""
        return [*random_of(cell), *HLR().needs(cell)]

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return the score of each trial."""
        others = Trials.of(frame)

        def value(row: Row) -> float:
            return formulas.label_robust_score(improvement(row, others), recovery(row, others), self.weight)

        return trials.each(frame, value)
