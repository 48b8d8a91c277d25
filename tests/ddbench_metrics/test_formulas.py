from __future__ import annotations

import math
from decimal import Decimal, getcontext

import pytest

from ddbench_metrics.formulas import augmentation_robust_score, label_robust_score, normalised

EXACT = 1e-12
getcontext().prec = 50


def exactly(value: str) -> float:
    """Return (e^value - 1/e) / (e - 1/e) in fifty digits."""
    power, e = Decimal(value).exp(), Decimal(1).exp()
    return float((power - 1 / e) / (e - 1 / e))


def test_no_difference_at_all_scores_one_part_of_one_plus_e() -> None:
    assert label_robust_score(0, 0) == pytest.approx(0.268941421369995120748840758, abs=EXACT)
    assert augmentation_robust_score(0, 0) == pytest.approx(1 / (1 + math.e), abs=EXACT)


def test_the_ends_of_the_range_are_0_and_1() -> None:
    assert label_robust_score(-1, 1) == pytest.approx(0, abs=EXACT)
    assert label_robust_score(1, -1) == pytest.approx(1, abs=EXACT)
    assert augmentation_robust_score(-1, -1) == pytest.approx(0, abs=EXACT)
    assert augmentation_robust_score(1, 1) == pytest.approx(1, abs=EXACT)


@pytest.mark.parametrize(
    ("ior", "hlr", "alpha", "printed"),
    [(0.3, 0.339, "-0.0195", 0.2607), (0.4, 0.1, "0.15", 0.3378), (0.0, 0.25, "-0.125", 0.2189)],
)
def test_the_label_robust_score_at_points_computed_by_hand(ior: float, hlr: float, alpha: str, printed: float) -> None:
    score = label_robust_score(ior, hlr)
    assert score == pytest.approx(exactly(alpha), abs=EXACT)
    assert score == pytest.approx(printed, abs=5e-5)


@pytest.mark.parametrize(
    ("augmented", "plain", "weight", "beta"), [(0.3, 0.1, 0.5, "0.2"), (0.3, 0.1, 0.75, "0.25"), (0.3, 0.1, 0.0, "0.1")]
)
def test_the_augmentation_robust_score_at_points_computed_by_hand(
    augmented: float, plain: float, weight: float, beta: str
) -> None:
    assert augmentation_robust_score(augmented, plain, weight) == pytest.approx(exactly(beta), abs=EXACT)


def test_the_weight_of_the_label_robust_score_is_that_of_the_improvement() -> None:
    assert label_robust_score(0.4, 0.1, weight=1.0) == pytest.approx(exactly("0.4"), abs=EXACT)
    assert label_robust_score(0.4, 0.1, weight=0.0) == pytest.approx(exactly("-0.1"), abs=EXACT)


def test_the_normalisation_rises_and_agrees_with_its_form_of_hyperbolic_sines() -> None:
    values = [step / 50 - 1 for step in range(101)]
    scores = [normalised(value) for value in values]
    assert scores == sorted(scores)
    assert min(scores) == pytest.approx(0, abs=EXACT)
    for value, score in zip(values, scores, strict=True):
        assert score == pytest.approx(math.exp((value - 1) / 2) * math.sinh((value + 1) / 2) / math.sinh(1), abs=EXACT)


def test_what_is_not_known_gives_what_is_not_known() -> None:
    assert math.isnan(label_robust_score(math.nan, 0.1))
    assert math.isnan(augmentation_robust_score(0.1, math.nan))
