"""Who leads: Welch's interval against values computed by hand."""

from __future__ import annotations

import math

import pytest

from ddbench_reporters.best import leader
from ddbench_reporters.spread import Spread

# Three values a side with a deviation of 1: the standard error of the difference is sqrt(2 / 3) = 0.8165, Welch's
# degrees of freedom are 4, and t(0.975; 4) = 2.7764 (tables of Student's t), so that the interval reaches 2.2670.
REACH = 2.2670


@pytest.mark.parametrize(("ahead", "leads"), [(REACH + 0.001, 0), (REACH - 0.001, None)])
def test_the_interval_of_the_difference_must_lie_above_zero(ahead: float, leads: int | None) -> None:
    assert leader([Spread(60.0 + ahead, 1.0, 3), Spread(60.0, 1.0, 3)]) == leads


def test_unequal_deviations_and_counts_follow_satterthwaite() -> None:
    # Variances of the means: 4 / 2 = 2 and 1 / 4 = 0.25; freedom 2.25^2 / (2^2 / 1 + 0.25^2 / 3) = 1.2591, error 1.5.
    # t(0.975; 1.2591) = 7.9260, found by integrating the density of Student's t numerically.
    reach = 1.5 * 7.9260

    assert leader([Spread(60.0 + reach * 1.001, 2.0, 2), Spread(60.0, 1.0, 4)]) == 0
    assert leader([Spread(60.0 + reach * 0.999, 2.0, 2), Spread(60.0, 1.0, 4)]) is None


def test_the_leader_must_lead_every_other() -> None:
    far, near = Spread(50.0, 0.1, 3), Spread(69.9, 3.0, 3)

    assert leader([far, Spread(70.0, 0.1, 3)]) == 1
    assert leader([far, Spread(70.0, 0.1, 3), near]) is None


def test_a_single_value_has_no_interval_so_that_nobody_leads() -> None:
    assert leader([Spread(90.0, 0.1, 3), Spread(10.0, math.nan, 1)]) is None
    assert leader([Spread(90.0, math.nan, 1), Spread(10.0, 0.1, 3)]) is None


def test_one_without_a_value_is_no_rival() -> None:
    assert leader([Spread(90.0, 0.1, 3)]) is None
    assert leader([Spread(math.nan, math.nan, 0), Spread(90.0, 0.1, 3)]) is None
    assert leader([Spread(math.nan, math.nan, 0), Spread(90.0, 0.1, 3), Spread(10.0, 0.1, 3)]) == 1


def test_where_nothing_varies_two_equal_runs_by_chance_say_nothing() -> None:
    assert leader([Spread(60.0, 0.0, 2), Spread(61.0, 0.0, 2)]) is None
    assert leader([Spread(60.0, 0.0, 3), Spread(61.0, 0.01, 3)]) == 1
