"""Learning-rate schedules: plain functions from an epoch, from 0, to a factor on the learning rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    Schedule = Callable[[int], float]

Name = Literal["cosine", "half-cosine", "steps", "late-steps", "constant"]


def named(name: Name, epochs: int, warmup_epochs: int = 0) -> Schedule:
    """Return the schedule of a training of ``epochs``, the first ``warmup_epochs`` of which climb from 1 % to 100 %.

    ``steps`` divides by ten after each third of the rest, ``late-steps`` by five after two thirds and five sixths, as
    IDC (Kim et al., ICML 2022) does; the others are the functions of their names.
    """
    rest = epochs - warmup_epochs
    schedules = {
        "cosine": cosine(rest),
        "half-cosine": half_cosine(rest),
        "steps": steps((rest // 3, 2 * rest // 3)),
        "late-steps": steps((2 * rest // 3, 5 * rest // 6), gamma=0.2),
        "constant": constant,
    }
    return warmed(schedules[name], warmup_epochs)


def constant(_epoch: int) -> float:
    """Return 1."""
    return 1.0


def cosine(epochs: int, *, floor: float = 0.0) -> Schedule:
    """Fall from 1 to ``floor`` along half a cosine over ``epochs``.

    That is Loshchilov and Hutter's annealing (ICLR 2017) without restarts. The last of ``epochs`` epochs still
    has a factor above the floor, as in PyTorch's CosineAnnealingLR, stepped once an epoch.
    """
    return lambda epoch: floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def half_cosine(epochs: int) -> Schedule:
    """Fall from 1 to 1/2 along a quarter of a cosine: RDED's schedule, whose period is twice the training."""
    return cosine(2 * epochs)


def steps(milestones: tuple[int, ...], *, gamma: float = 0.1) -> Schedule:
    """Multiply by ``gamma`` at every milestone."""
    return lambda epoch: gamma ** sum(epoch >= milestone for milestone in milestones)


def warmed(schedule: Schedule, epochs: int, *, start: float = 0.01) -> Schedule:
    """Climb linearly from ``start`` to 1 over ``epochs``, then follow ``schedule`` from its beginning."""
    return lambda epoch: start + (1 - start) * epoch / epochs if epoch < epochs else schedule(epoch - epochs)
