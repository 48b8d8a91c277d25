from __future__ import annotations

import numpy as np
import pytest

from ddbench_datasets.statistics import moments


def sums(levels: list[int]) -> tuple[int, int, int]:
    return len(levels), sum(levels), sum(level * level for level in levels)


def test_black_and_white_in_equal_parts_have_mean_and_deviation_one_half() -> None:
    assert moments(*sums([0, 255])) == (0.5, 0.5)


def test_moments_are_those_of_all_pixels() -> None:
    levels = np.random.default_rng(0).integers(0, 256, 1000)
    mean, std = moments(*sums(levels.tolist()))
    assert mean == pytest.approx((levels / 255).mean(), rel=1e-3)
    assert std == pytest.approx((levels / 255).std(ddof=0), rel=1e-3)


def test_equal_pixels_deviate_by_nothing_however_many_they_are() -> None:
    count = 10**12
    assert moments(count, 77 * count, 77 * 77 * count) == (0.302, 0.0)


def test_four_digits_are_kept() -> None:
    assert moments(3, 1, 1) == (0.001307, 0.001849)
