"""Intervals against scipy's and against a case by hand; repeats against the power of the exact test."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from ddbench.regression.intervals import Interval, Sample, paired, repeats, welch

BASE = [61.2, 60.1, 63.4, 59.9, 62.2]
HEAD = [60.0, 59.7, 62.0, 60.3, 60.8]


def bounds(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


@pytest.mark.parametrize("n", [2, 3, 5])
def test_pairs_have_scipys_interval(n: int) -> None:
    found = stats.ttest_rel(HEAD[:n], BASE[:n]).confidence_interval(0.95)

    assert bounds(paired(BASE[:n], HEAD[:n])) == pytest.approx((found.low, found.high), abs=1e-10)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (5, 3), (2, 5), (5, 5)])
def test_independent_sides_have_scipys_interval_of_welch(n: int, m: int) -> None:
    found = stats.ttest_ind(HEAD[:m], BASE[:n], equal_var=False).confidence_interval(0.95)

    assert bounds(welch(BASE[:n], HEAD[:m])) == pytest.approx((found.low, found.high), abs=1e-10)


def test_a_case_by_hand() -> None:
    found = paired([60.0, 62.0], [59.0, 60.0])  # differences -1 and -2: mean -1.5, std 1/sqrt(2), error 0.5, t 12.7062

    assert found.difference == -1.5
    assert bounds(found) == pytest.approx((-1.5 - 0.5 * 12.7062047, -1.5 + 0.5 * 12.7062047), abs=1e-6)


@pytest.mark.parametrize("way", [paired, welch])
def test_without_variance_the_interval_is_a_point(way: object) -> None:
    assert callable(way)
    assert way([60.0] * 3, [59.0] * 3) == Interval(-1.0, -1.0, -1.0)
    assert way([60.0] * 3, [60.0] * 3) == Interval(0.0, 0.0, 0.0)


def test_pairs_that_differ_alike_make_a_point_however_they_vary() -> None:
    assert paired([60.0, 70.0], [59.0, 69.0]) == Interval(-1.0, -1.0, -1.0)


def test_welch_with_one_side_that_does_not_vary_has_the_other_sides_freedom() -> None:
    found = welch([60.0, 60.0, 60.0], [61.0, 62.0, 63.0])

    assert found.high - found.difference == pytest.approx(stats.t.ppf(0.975, 2) / math.sqrt(3))


@pytest.mark.parametrize(("base", "head"), [([60.0], [61.0]), ([60.0], [61.0, 62.0]), ([60.0, 61.0], [62.0])])
def test_one_number_has_no_interval(base: list[float], head: list[float]) -> None:
    found = welch(base, head)

    assert found.difference == sum(head) / len(head) - sum(base) / len(base)
    assert all(map(math.isnan, bounds(found)))
    assert all(map(math.isnan, bounds(paired(base[:1], head[:1]))))


def test_a_sample_of_one_has_no_deviation_and_of_none_nothing() -> None:
    assert Sample.of([2.0, 4.0]) == Sample(3.0, math.sqrt(2), 2)
    assert math.isnan(Sample.of([2.0]).std)
    assert math.isnan(Sample.of([]).mean)


def power(n: int, difference: float, std: float) -> float:
    """Return the power of the two-sided 5 % test, from the noncentral t distribution."""
    freedom, centre = 2 * n - 2, difference / std * math.sqrt(n / 2)
    edge = stats.t.ppf(0.975, freedom)
    return float(stats.nct.sf(edge, freedom, centre) + stats.nct.cdf(-edge, freedom, centre))


@pytest.mark.parametrize(("difference", "std"), [(0.5, 0.4), (0.5, 1.1), (1.0, 0.4), (0.5, 5.0), (3.0, 4.0)])
def test_so_many_repeats_see_the_difference_four_times_in_five(difference: float, std: float) -> None:
    n = repeats(difference, std)

    assert power(n, difference, std) > 0.79
    assert power(n - 1, difference, std) < 0.81


def test_a_spread_of_nothing_still_takes_two() -> None:
    assert repeats(0.5, 0.0) == 2
