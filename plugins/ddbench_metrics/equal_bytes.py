"""Distilled images against as many bytes of real ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ddbench_metrics import trials
from ddbench_metrics.trials import FULL, HARD, RANDOM, Trials

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ddbench.types import Cell, Sizes
    from ddbench_metrics.trials import Row

SPENT = 0.9  # of the bytes, by a reference that is not as large as whole images per class allow


@dataclass(frozen=True)
class EqualBytes:
    """Accuracy less that of random real images with class labels that take as many bytes, labels counted.

    Source: made up here, after Xiao and He, "Are Large-scale Soft Labels Necessary for Large-scale Dataset
    Distillation?" (NeurIPS 2024), who count the bytes of labels. Images are counted as stored, a byte a pixel and
    channel; labels as stored too, and those that a teacher makes as students train as heavy as the teacher. For these
    bytes one could keep so many real images of each class, whole ones, with class labels, which weigh nothing: they are
    drawn by lot and sit the same exam. Where the bytes would hold the whole training set, that is the reference. Points
    of percent; below 0, real images would have been the better use of the bytes. Where classes differ in size and the
    smallest has no images left, the reference spends up to a tenth less.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "points"
    higher_is_better: ClassVar[bool] = True

    def needs(self, cell: Cell) -> Iterable[Cell]:  # noqa: ARG002 - the reference depends on sizes
        """Return nothing: ``sized`` names the reference."""
        return ()

    def sized(self, cell: Cell, sizes: Sizes) -> Iterable[Cell]:
        """Return the cell of real images for the same bytes; none where the bytes of labels are not known."""
        if sizes.nbytes is None:
            return ()
        hard = replace(cell, labeler=HARD)
        if cell.synthesizer.name == FULL.name or sizes.nbytes >= sizes.train_bytes:
            return [replace(hard, synthesizer=FULL)]
        ipc = min(sizes.nbytes // sizes.image_bytes, sizes.largest_ipc)
        return [replace(hard, synthesizer=RANDOM, ipc=ipc)]

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return the difference for each trial."""
        others = Trials.of(frame)
        ladder = sorted({int(ipc) for ipc in frame.loc[frame["synthesizer"] == str(RANDOM), "ipc"]}, reverse=True)

        def value(row: Row) -> float:
            return 100 * (trials.accuracy(row) - trials.accuracy(_reference(row, others, ladder)))

        return trials.each(frame, value)


def _reference(row: Row, others: Trials, ladder: Iterable[int]) -> Row | None:
    nbytes = float(row["image_bytes"]) + float(row["label_bytes"])
    if math.isnan(nbytes):
        return None
    whole = others.like(row, synthesizer=str(FULL), labeler=str(HARD))
    if whole is not None and nbytes >= whole["image_bytes"]:
        return whole
    most = int(nbytes * row["ipc"] // row["image_bytes"])
    ipc = next((ipc for ipc in ladder if ipc <= most), 0)
    if ipc < most and ipc < SPENT * nbytes * row["ipc"] / row["image_bytes"]:
        return None
    return others.like(row, synthesizer=str(RANDOM), labeler=str(HARD), ipc=ipc)
