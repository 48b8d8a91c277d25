"""A wrong order of classes is told from what a teacher merely does not recognise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ddbench_imported.permutation import _assigned, _counted, _log_tail, suspects


def random() -> np.random.Generator:
    return np.random.default_rng(0)


def seen(claimed: np.ndarray, classes: int, recognised: float, seed: int, favourite: float = 0.0) -> np.ndarray:
    """Let a teacher see the true class in a share of the images, and else any, a favourite class more often."""
    lot = np.random.default_rng(seed)
    other = np.where(lot.random(len(claimed)) < favourite, 0, lot.integers(0, classes, len(claimed)))
    return np.where(lot.random(len(claimed)) < recognised, claimed, other)


def labels(classes: int, each: int) -> np.ndarray:
    return np.arange(classes * each) % classes


@pytest.mark.parametrize(("classes", "each"), [(10, 8), (100, 12), (200, 14)])
def test_one_swap_of_two_classes_is_told_from_the_number_of_images_that_is_promised(classes: int, each: int) -> None:
    true = labels(classes, each)
    swapped = np.where(true == 3, 5, np.where(true == 5, 3, true))
    assert suspects(swapped, true, classes, random()) == [(3, 5, each, 0), (5, 3, each, 0)]
    assert suspects(true, true, classes, random()) == []


@pytest.mark.parametrize("recognised", [0.6, 0.9])
def test_a_swap_is_told_by_a_teacher_that_errs_too(recognised: float) -> None:
    true = labels(10, 50)
    claimed = np.where(true == 3, 5, np.where(true == 5, 3, true))
    found = suspects(claimed, seen(true, 10, recognised, 1), 10, random())
    assert {(label, other) for label, other, _, _ in found} == {(3, 5), (5, 3)}


def test_classes_that_went_round_are_told() -> None:
    true = labels(10, 10)
    claimed = np.where(true < 3, (true + 1) % 3, true)
    assert {each[:2] for each in suspects(claimed, true, 10, random())} == {(0, 2), (1, 0), (2, 1)}


@pytest.mark.parametrize(("classes", "each", "recognised"), [(10, 2, 1.0), (10, 10, 0.5), (100, 1, 0.8), (100, 5, 0.3)])
def test_another_order_of_all_classes_is_told_from_few_images(classes: int, each: int, recognised: float) -> None:
    true, order = labels(classes, each), np.roll(np.arange(classes), 1)
    found = suspects(order[true], seen(true, classes, recognised, 2), classes, random())
    assert len(found) > 0.5 * classes
    assert sum(order[other] == label for label, other, _, _ in found) > 0.5 * len(found)


@pytest.mark.parametrize("recognised", [0.0, 0.1, 0.3, 0.7])
@pytest.mark.parametrize("favourite", [0.0, 0.7])
@pytest.mark.parametrize(("classes", "each"), [(10, 1), (10, 10), (10, 50), (100, 1), (100, 10)])
def test_images_that_a_teacher_does_not_recognise_are_not_suspicious(
    classes: int, each: int, recognised: float, favourite: float
) -> None:
    true = labels(classes, each)
    assert all(
        suspects(true, seen(true, classes, recognised, seed, favourite), classes, random()) == [] for seed in range(10)
    )


def test_one_class_that_looks_like_another_is_not_a_swap() -> None:
    true = labels(10, 50)
    assert suspects(true, np.where(true == 3, 5, true), 10, random()) == []


def test_the_tail_of_a_coin_is_that_of_the_binomial_distribution() -> None:
    exact = sum(math.comb(20, k) for k in range(15, 21)) / 2**20
    assert math.exp(_log_tail(15, 20)) == pytest.approx(exact, rel=1e-12)
    assert _log_tail(0, 0) == 0


def test_of_equally_good_assignments_one_that_moves_nothing_is_taken() -> None:
    assert _assigned(_counted(np.array([0, 1, 2]), np.array([0, 0, 0]), 3)).tolist() == [0, 1, 2]
