"""What is broken in a metric is told in one sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from ddbench.spec import Spec
from ddbench.testing.conformance import check_metric

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ddbench.types import Cell, Sizes


@dataclass(frozen=True)
class Sound:
    """Accuracy (made up here)."""

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "percent"
    higher_is_better: ClassVar[bool] = True

    def needs(self, cell: Cell) -> Iterable[Cell]:
        """Return the cell of random images."""
        return [replace(cell, synthesizer=Spec("random"))]

    def sized(self, cell: Cell, sizes: Sizes) -> Iterable[Cell]:
        """Return the cell with as many images as bytes allow."""
        return [] if sizes.nbytes is None else [replace(cell, ipc=max(1, sizes.nbytes // sizes.image_bytes))]

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return accuracies."""
        return frame["top1"]

    def notes(self, frame: pd.DataFrame) -> Iterable[str]:
        """Say how many."""
        return [f"{len(frame)} trials"]


class Unitless(Sound):
    """No unit (made up here)."""

    unit: ClassVar[Any] = None


class Elsewhere(Sound):
    """Another data set (made up here)."""

    def needs(self, cell: Cell) -> Iterable[Cell]:
        """Return a cell of another data set."""
        return [replace(cell, dataset=Spec("cifar10"))]


class Names(Sound):
    """No cells (made up here)."""

    def needs(self, cell: Cell) -> Any:
        """Return names."""
        return ["random"]


class Mean(Sound):
    """One number for all (made up here)."""

    def score(self, frame: pd.DataFrame) -> Any:
        """Return a mean."""
        return frame["top1"].mean()


class Short(Sound):
    """No row for failed trials (made up here)."""

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return some."""
        return frame["top1"].dropna()


class Generous(Sound):
    """Nought for failed trials (made up here)."""

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return all."""
        return frame["top1"].fillna(0.0)


class Ranked(Sound):
    """The place in the frame (made up here)."""

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return how it stands."""
        return frame["top1"].mask(frame["top1"].notna(), range(len(frame))).astype("float64")


class Meddling(Sound):
    """Changes the frame (made up here)."""

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return accuracies, and round those of the frame."""
        values = frame["top1"].copy()
        frame["top1"] = 0.0
        return values.where(values != 0, float("nan"))


class Infinite(Sound):
    """Divided by nought (made up here)."""

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return infinities."""
        return frame["top1"] / 0.0


class Whole(Sound):
    """Counts (made up here)."""

    def score(self, frame: pd.DataFrame) -> pd.Series[Any]:
        """Return integers."""
        return frame["ipc"]


BROKEN = [
    (Unitless, "has no 'unit'"),
    (Elsewhere, "needs cells of another data set or teacher"),
    (Names, "needs something else than cells"),
    (Mean, "gives something else than a Series"),
    (Short, "gives values that are not under the index of the frame"),
    (Generous, "gives a value to a trial that failed"),
    (Ranked, "gives other values when rows come in another order"),
    (Meddling, "gives other values when asked again"),
    (Infinite, "gives infinite values"),
    (Whole, "gives values of int64, not float64"),
]


def test_a_sound_metric_passes() -> None:
    check_metric(Sound())


@pytest.mark.parametrize(("metric", "sentence"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_promise_is_told(metric: type[Sound], sentence: str) -> None:
    broken = dataclass(frozen=True)(metric)
    with pytest.raises(AssertionError, match=sentence):
        check_metric(broken())
