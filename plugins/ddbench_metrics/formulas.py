"""The formulas of DD-Ranking, on accuracies as fractions."""

from __future__ import annotations

import math


def blend(weight: float, first: float, second: float) -> float:
    """Return weight x first + (1 - weight) x second."""
    return weight * first + (1 - weight) * second


def normalised(value: float) -> float:
    """Return (e^value - e^-1) / (e - e^-1): of [-1, 1], all of [0, 1]; 0.2689 of 0."""
    return (math.exp(value) - math.exp(-1)) / (math.e - math.exp(-1))


def label_robust_score(ior: float, hlr: float, weight: float = 0.5) -> float:
    """Return LRS from improvement over random and hard label recovery, each in [-1, 1]."""
    return normalised(blend(weight, ior, -hlr))


def augmentation_robust_score(augmented: float, plain: float, weight: float = 0.5) -> float:
    """Return ARS from the improvements over random with and without augmentation, each in [-1, 1]."""
    return normalised(blend(weight, augmented, plain))
