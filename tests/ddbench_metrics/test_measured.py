from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from ddbench.rows import COLUMNS
from ddbench_metrics.measured import NLL, CalibrationError, CorruptionAccuracy

if TYPE_CHECKING:
    from collections.abc import Callable

MEASURED = [(CalibrationError(), "calibration_error"), (NLL(), "loss"), (CorruptionAccuracy(), "top1_corrupted")]


@pytest.mark.parametrize(("metric", "column"), MEASURED, ids=str)
def test_what_the_exam_measured_is_shown_as_it_is(
    frame: Callable[..., pd.DataFrame], metric: CalibrationError | NLL | CorruptionAccuracy, column: str
) -> None:
    assert column in COLUMNS
    values = metric.score(frame({column: 0.25}, {}))
    assert values[0] == 0.25
    assert pd.isna(values[1])
