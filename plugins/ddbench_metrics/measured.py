"""What the exam measured beside accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ddbench.types import Cell


@dataclass(frozen=True)
class CalibrationError:
    """Expected calibration error on the test split: how far confidence is from accuracy, in [0, 1].

    Source: Naeini et al. (AAAI 2015), with 15 bins of equal width as Guo et al., "On Calibration of Modern Neural
    Networks" (ICML 2017), by torchmetrics; less is better. Of the network after the last epoch, whichever epoch is
    selected. Old results and exams that do not take it have none.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool] = False

    def needs(self, cell: Cell) -> Iterable[Cell]:  # noqa: ARG002 - nothing is compared
        """Return no reference."""
        return ()

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return the column ``calibration_error``."""
        return frame["calibration_error"].astype("float64")


@dataclass(frozen=True)
class NLL:
    """Mean negative log-likelihood on the test split, in nats.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), beside calibration error; less is
    better. Of the network after the last epoch, whichever epoch is selected.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "nats"
    higher_is_better: ClassVar[bool] = False

    def needs(self, cell: Cell) -> Iterable[Cell]:  # noqa: ARG002 - nothing is compared
        """Return no reference."""
        return ()

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return the column ``loss``."""
        return frame["loss"].astype("float64")


@dataclass(frozen=True)
class CorruptionAccuracy:
    """Mean accuracy on corrupted test images, in percent, under the corruptions that the exam names.

    Source: Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations"
    (ICLR 2019). An exam such as ``standard[corruptions=all]`` makes them as it tests; result files hold the accuracy
    under each. Exams that test under none have no value.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "percent"
    higher_is_better: ClassVar[bool] = True

    def needs(self, cell: Cell) -> Iterable[Cell]:  # noqa: ARG002 - nothing is compared
        """Return no reference."""
        return ()

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return the column ``top1_corrupted``."""
        return frame["top1_corrupted"].astype("float64")
