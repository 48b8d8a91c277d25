"""How much of an improvement is left when the exam augments nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ddbench.spec import Spec
from ddbench_metrics import formulas, trials
from ddbench_metrics.label_robust import Share, improvement, random_of
from ddbench_metrics.trials import FULL, Trials, identity, is_full

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ddbench.types import Cell
    from ddbench_metrics.trials import Row

PLAIN = {
    "padding": 0,
    "min_scale": 1.0,
    "flip": False,
    "shuffle_patches": 1,
    "mixup": 0.0,
    "cutmix": 0.0,
    **dict.fromkeys(("brightness", "contrast", "saturation", "lighting"), 0.0),
}
"""Settings of ``standard`` under which a view is the image."""


@dataclass(frozen=True)
class ARS:
    """Augmentation robust score: improvement over random with and without augmentation in one number, in [0, 1].

    Source: Li et al., "DD-Ranking" (arXiv 2505.13300): with beta = g IOR(augmented) + (1 - g) IOR(not augmented),
    ARS = (e^beta - e^-1) / (e - e^-1), on accuracies as fractions, so that beta = 0 gives 0.269. Both sides sit the
    same two exams with the same seeds, and so have the same learning rates to choose from. All real images: 0.269.

    Attributes:
        weight: g, of the improvement with augmentation; DD-Ranking's lambda, 0.5 there.
        plain: the exam that augments nothing, as ``--evaluator`` takes it; where it is empty, the cell's own without
            crop, flip, shuffled patches, colours and mixing, as ``standard`` and its kin have them.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool] = True

    weight: Share = 0.5
    plain: str = ""

    def __post_init__(self) -> None:
        if self.plain:
            Spec.parse(self.plain)

    def needs(self, cell: Cell) -> Iterable[Cell]:
        """Return the cell under the plain exam, and random real images under both exams; nothing of all real images."""
        if cell.synthesizer.name == FULL.name:
            return ()
        plain = replace(cell, evaluator=self._plain(cell.evaluator))
        return [*random_of(cell), plain, *random_of(plain)]

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return the score of each trial."""
        others = Trials.of(frame)
        exams = list(dict.fromkeys(frame["evaluator"]))

        def value(row: Row) -> float:
            plain = row if is_full(row) else self._plainly(row, others, exams)
            improved = float("nan") if plain is None else improvement(plain, others)
            return formulas.augmentation_robust_score(improvement(row, others), improved, self.weight)

        return trials.each(frame, value)

    def _plain(self, evaluator: Spec) -> Spec:
        return Spec.parse(self.plain) if self.plain else evaluator.with_params(**PLAIN)

    def _plainly(self, row: Row, others: Trials, exams: Iterable[str]) -> Row | None:
        """Return the trial of the same images under the plain exam."""
        wanted = self._plain(Spec.parse(row["evaluator"]))
        found = (others.like(row, evaluator=exam) for exam in exams)
        return next((trial for trial in found if trial is not None and _sat(trial, wanted)), None)


def _sat(trial: Row, wanted: Spec) -> bool:
    """Tell whether a trial's exam is what a spec means: tables leave out what a recipe says anyway."""
    shown, known = Spec.parse(trial["evaluator"]), identity(trial, "evaluator")
    if shown.name != wanted.name or not known or not set(shown.params) <= set(wanted.params):
        return False
    return all(known.get(name, value) == value for name, value in set(wanted.params) - set(shown.params))
