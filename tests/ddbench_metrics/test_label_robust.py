from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pytest import approx  # noqa: PT013 - it stands in every line

from ddbench.spec import Spec
from ddbench.types import Cell
from ddbench_metrics.formulas import label_robust_score
from ddbench_metrics.label_robust import HLR, IOR, LRS

if TYPE_CHECKING:
    from collections.abc import Callable

    Frame = Callable[..., pd.DataFrame]

CELL = Cell(
    Spec("digits"),
    Spec.of("train", {"architecture": "convnet"}),
    Spec.of("dwa", {"rho": 0.02}),
    10,
    Spec("online"),
    Spec("standard"),
    Spec("resnet18"),
)
DWA, RANDOM = {"top1": 80.0}, {"synthesizer": "random", "top1": 50.0}
DWA_HARD = {"labeler": "hard", "top1": 60.0}
FULL_HARD = {"synthesizer": "full", "ipc": 144, "labeler": "hard", "teacher": "none", "top1": 93.9}


def score(metric: Any, table: pd.DataFrame) -> list[float]:
    return list(metric.score(table))


def test_improvement_over_random_is_of_fractions(frame: Frame) -> None:
    values = score(IOR(), frame(DWA, RANDOM))
    assert values == approx([0.3, 0.0], abs=1e-12)


def test_random_images_are_compared_seed_by_seed(frame: Frame) -> None:
    seeds = [{"synthesis_seed": one, "evaluation_seed": two} for one in (0, 1) for two in (0, 1)]
    trials = [DWA | {"top1": 80.0 + place} | seed for place, seed in enumerate(seeds)]
    lots = [RANDOM | {"top1": 50.0 - 2 * place} | seed for place, seed in enumerate(seeds)]
    values = score(IOR(), frame(*trials, *lots))
    assert values[:4] == approx([0.30, 0.33, 0.36, 0.39], abs=1e-12)


@pytest.mark.parametrize(
    "other",
    [
        {"ipc": 1},
        {"architecture": "resnet18"},
        {"labeler": "hard", "teacher": "none"},
        {"evaluator": "rded"},
        {"dataset": "cifar10"},
        {"data": "other"},
        {"precision": "bfloat16"},
        {"teacher": "resnet18"},
        {"evaluation_seed": 1},
        {"synthesis_seed": 1},
        {"synthesizer": "random-perturbation"},
        {"status": "failed", "top1": float("nan")},
    ],
    ids=str,
)
def test_random_images_of_other_trials_are_no_reference(frame: Frame, other: dict[str, Any]) -> None:
    assert pd.isna(score(IOR(), frame(DWA, RANDOM | other))[0])


def test_hard_label_recovery_is_what_class_labels_lose(frame: Frame) -> None:
    values = score(HLR(), frame(DWA, DWA_HARD, FULL_HARD, RANDOM))
    assert values[:3] == approx([0.339, 0.339, 0.0], abs=1e-12)
    assert pd.isna(values[3])


def test_a_method_without_a_teacher_has_none_beside_its_class_labels_either(frame: Frame) -> None:
    hard = {"labeler": "hard", "teacher": "none", "top1": 45.0}
    values = score(HLR(), frame(RANDOM, RANDOM | hard, FULL_HARD))
    assert values[0] == approx(0.489, abs=1e-12)


def test_all_real_images_serve_every_ipc_and_synthesis_seed(frame: Frame) -> None:
    other = {"ipc": 1, "synthesis_seed": 7}
    values = score(HLR(), frame(DWA | other, DWA_HARD | other, FULL_HARD))
    assert values[0] == approx(0.339, abs=1e-12)


def test_the_label_robust_score_puts_both_together(frame: Frame) -> None:
    values = score(LRS(), frame(DWA, RANDOM, DWA_HARD, FULL_HARD))
    assert values[0] == approx(label_robust_score(0.3, 0.339), abs=1e-12)
    assert score(LRS(weight=1.0), frame(DWA, RANDOM, DWA_HARD, FULL_HARD))[0] == approx(
        0.9819793664 / 2.3504023873, abs=1e-9
    )


def test_the_score_of_class_labels_compares_with_random_images_under_class_labels(frame: Frame) -> None:
    lot = RANDOM | {"labeler": "hard", "teacher": "none", "top1": 45.0}
    values = score(LRS(), frame(DWA_HARD, lot, FULL_HARD))
    assert values[0] == approx(label_robust_score(0.15, 0.339), abs=1e-12)


def test_all_real_images_are_their_own_random_choice(frame: Frame) -> None:
    table = frame(FULL_HARD)
    assert score(IOR(), table) == [0.0]
    assert score(HLR(), table) == [0.0]
    assert score(LRS(), table) == approx([0.2689414213699951], abs=1e-12)


@pytest.mark.parametrize("missing", range(1, 4))
def test_a_missing_reference_leaves_the_score_unknown(frame: Frame, missing: int) -> None:
    trials = [DWA, RANDOM, DWA_HARD, FULL_HARD]
    del trials[missing]
    assert pd.isna(score(LRS(), frame(*trials))[0])


def test_references_are_ordinary_cells() -> None:
    random, hard = replace(CELL, synthesizer=Spec("random")), replace(CELL, labeler=Spec("hard"))
    full = replace(hard, synthesizer=Spec("full"))
    assert list(IOR().needs(CELL)) == [random]
    assert list(HLR().needs(CELL)) == [hard, full]
    assert list(LRS().needs(CELL)) == [random, hard, full]


def test_all_real_images_need_no_random_ones() -> None:
    whole = replace(CELL, synthesizer=Spec("full"))
    assert list(IOR().needs(whole)) == []
    assert replace(whole, labeler=Spec("hard")) in LRS().needs(whole)


def test_cells_that_are_references_need_themselves() -> None:
    hard = replace(CELL, synthesizer=Spec("random"), labeler=Spec("hard"))
    assert set(LRS().needs(hard)) == {hard, replace(hard, synthesizer=Spec("full"))}
