"""Whether a set's classes are in another order than the data set's, as far as the teacher can tell.

The teacher's answers are counted in a table: rows are the classes that the set claims, columns those that the teacher
sees. ``best`` is the one-to-one assignment of columns to rows with the most images in it (Kuhn 1955, by SciPy). It is
never worse than the claimed one, whatever the images: two tests tell a wrong order from chance.

``swaps``: a cycle of L classes (two that were swapped, three that went round) is told when each of its rows has more
images in the assigned column than in its own, and so many more in all that a fair coin would do as much in one of a
thousand cases, corrected for the C! / ((C - L)! L) cycles among which it was chosen. That holds for every teacher that
sees its own class in an image at least as often as any other one, however seldom; and for images that it does not
recognise at all, because the columns of a cycle are those of its rows.

``order``: few images of many classes, in another order altogether, are told when the assigned columns hold more
images than five standard deviations above the mean of sets whose labels were shuffled, and the claimed ones no more
than nine in ten of these. What is not recognised is like shuffled, what is labelled rightly is above it. With one image
a class, where shuffling changes nothing, the teacher's answers are drawn evenly instead, which makes most of them
differ.

A single swap of few images is beyond both: of ten classes, eight images a class tell it, of a hundred twelve, of a
thousand fifteen, if the teacher recognises them all. So is any order of ten classes with one image each.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Table = npt.NDArray[np.int64]

_LEVEL = math.log(1e-3)
_DEVIATIONS = 5.0
_SHUFFLES = 99


def suspects(claimed: Table, seen: Table, classes: int, random: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Return what seems to be labelled as another class, most images first; nothing where nothing is suspicious.

    Args:
        claimed: label of each image, (N,).
        seen: class that the teacher sees in it, (N,).
        classes: C.
        random: for shuffles.

    Returns:
        For each: the class that is claimed, the one that it looks like, and the images that look like that, and like
        the claimed.
    """
    table = _counted(claimed, seen, classes)
    best = _assigned(table)
    moved = [label for label in range(classes) if table[label, best[label]] > table[label, label]]
    wrong = [label for cycle in _cycles(best) if _is_swapped(table, best, cycle) for label in cycle]
    if not wrong and moved and _is_another_order(claimed, seen, table, best, random):
        wrong = moved
    told = [(label, int(best[label]), int(table[label, best[label]]), int(table[label, label])) for label in wrong]
    return sorted(told, key=lambda each: (-each[2], each[0]))


def _counted(claimed: Table, seen: Table, classes: int) -> Table:
    return np.bincount(claimed * classes + seen, minlength=classes**2).reshape(classes, classes)


def _assigned(table: Table) -> Table:
    """Return the assigned column of each row; where several assignments serve alike, one that moves few."""
    from scipy.optimize import linear_sum_assignment

    weighted = table * (len(table) + 1) + np.eye(len(table), dtype=np.int64)
    columns: Table = linear_sum_assignment(weighted, maximize=True)[1]
    return columns


def _cycles(best: Table) -> list[list[int]]:
    """Return the cycles of a permutation that move something."""
    left, found = set(range(len(best))), []
    while left:
        cycle = [left.pop()]
        while int(best[cycle[-1]]) != cycle[0]:
            cycle.append(int(best[cycle[-1]]))
            left.discard(cycle[-1])
        found.append(cycle)
    return [cycle for cycle in found if len(cycle) > 1]


def _is_swapped(table: Table, best: Table, cycle: list[int]) -> bool:
    there, here = (table[cycle, columns] for columns in (best[cycle], cycle))
    if not (there > here).all():
        return False
    classes, length = len(table), len(cycle)
    ways = math.lgamma(classes + 1) - math.lgamma(classes - length + 1) - math.log(length)
    return _log_tail(int(there.sum()), int((there + here).sum())) + ways < _LEVEL


def _log_tail(heads: int, throws: int) -> float:
    """Return the logarithm of the probability of so many heads or more in throws of a fair coin."""
    terms = [
        math.lgamma(throws + 1) - math.lgamma(k + 1) - math.lgamma(throws - k + 1) for k in range(heads, throws + 1)
    ]
    return float(np.logaddexp.reduce(terms)) - throws * math.log(2)


def _is_another_order(claimed: Table, seen: Table, table: Table, best: Table, random: np.random.Generator) -> bool:
    shuffles = [random.permutation(claimed) for _ in range(_SHUFFLES)]
    by_chance = sorted(int((labels == seen).sum()) for labels in shuffles)[math.ceil(0.9 * _SHUFFLES) - 1]
    if np.trace(table) > by_chance:
        return False
    one_each = len(claimed) == len(table)  # then only the number of classes that are seen counts: no shuffle changes it
    chances = (
        (claimed, random.integers(0, len(table), len(seen))) if one_each else (labels, seen) for labels in shuffles
    )
    assigned = [_agreement(_counted(labels, answers, len(table))) for labels, answers in chances]
    told = int(table[np.arange(len(table)), best].sum())
    return bool(told > np.mean(assigned) + _DEVIATIONS * np.std(assigned))


def _agreement(table: Table) -> int:
    return int(table[np.arange(len(table)), _assigned(table)].sum())
