from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from ddbench.errors import UserError
from ddbench.spec import Spec
from ddbench.types import Cell
from ddbench_metrics.augmentation_robust import ARS, PLAIN
from ddbench_metrics.formulas import augmentation_robust_score

if TYPE_CHECKING:
    from collections.abc import Callable

    Frame = Callable[..., pd.DataFrame]

CELL = Cell(Spec("digits"), Spec("convnet"), Spec("dwa"), 10, Spec("online"), Spec("standard"), Spec("resnet18"))
OFF = {"padding": 0, "mixup": 0.0}  # flip is off by the recipe of digits: tables leave it out
SHOWN = "standard[mixup=0.0,padding=0]"
TRIALS: tuple[dict[str, Any], ...] = (
    {"top1": 80.0},
    {"top1": 50.0, "synthesizer": "random"},
    {"top1": 70.0, "evaluator": SHOWN, "exam": OFF},
    {"top1": 60.0, "synthesizer": "random", "evaluator": SHOWN, "exam": OFF},
)


def test_the_score_puts_both_exams_together(frame: Frame) -> None:
    values = ARS().score(frame(*TRIALS))
    assert values[0] == pytest.approx(augmentation_robust_score(0.3, 0.1), abs=1e-12)
    assert ARS(weight=1.0).score(frame(*TRIALS))[0] == pytest.approx(augmentation_robust_score(0.3, 0.3), abs=1e-12)


def test_random_images_score_as_no_difference(frame: Frame) -> None:
    assert ARS().score(frame(*TRIALS))[1] == pytest.approx(0.2689414213699951, abs=1e-12)


def test_under_the_plain_exam_both_are_the_same(frame: Frame) -> None:
    assert ARS().score(frame(*TRIALS))[2] == pytest.approx(augmentation_robust_score(0.1, 0.1), abs=1e-12)


def test_an_exam_that_still_augments_is_not_the_plain_one(frame: Frame) -> None:
    half = [{**trial, "exam": {"padding": 0, "mixup": 0.0, "flip": True}} for trial in TRIALS[2:]]
    assert pd.isna(ARS().score(frame(*TRIALS[:2], *half))[0])


def test_an_exam_that_differs_in_more_than_augmentation_is_not_the_plain_one(frame: Frame) -> None:
    longer = [{**trial, "evaluator": "standard[epochs=80,mixup=0.0,padding=0]"} for trial in TRIALS[2:]]
    assert pd.isna(ARS().score(frame(*TRIALS[:2], *longer))[0])


def test_a_plain_exam_may_be_named(frame: Frame) -> None:
    other = "rded[mixup=0.0]"
    named = [{**trial, "evaluator": other, "exam": {"mixup": 0.0}} for trial in TRIALS[2:]]
    assert ARS(plain=other).score(frame(*TRIALS[:2], *named))[0] == pytest.approx(
        augmentation_robust_score(0.3, 0.1), abs=1e-12
    )
    assert pd.isna(ARS().score(frame(*TRIALS[:2], *named))[0])


def test_results_without_settings_tell_no_plain_exam(frame: Frame) -> None:
    assert pd.isna(ARS().score(frame(*TRIALS).assign(settings=None))[0])


def test_references_are_both_sides_under_both_exams() -> None:
    plain = replace(CELL, evaluator=Spec.of("standard", PLAIN))
    lots = [replace(cell, synthesizer=Spec("random")) for cell in (CELL, plain)]
    assert list(ARS().needs(CELL)) == [lots[0], plain, lots[1]]
    assert [cell.evaluator for cell in ARS(plain="rded").needs(CELL)] == [Spec("standard"), Spec("rded"), Spec("rded")]


def test_a_plain_exam_that_cannot_be_read_is_refused_at_once() -> None:
    with pytest.raises(UserError, match="bracket"):
        ARS(plain="rded[mixup")


def test_settings_that_keys_write_otherwise_do_not_hide_the_plain_exam(frame: Frame) -> None:
    written, known = "standard[corruptions=all]", {"corruptions": "contrast:3+jpeg:3"}
    trials = [
        {**trial, "evaluator": exam, "exam": trial.get("exam", {}) | known}
        for trial, exam in zip(
            TRIALS, [written] * 2 + ["standard[corruptions=all,mixup=0.0,padding=0]"] * 2, strict=True
        )
    ]
    assert ARS().score(frame(*trials))[0] == pytest.approx(augmentation_robust_score(0.3, 0.1), abs=1e-12)


def test_all_real_images_score_as_no_difference_and_need_nothing(frame: Frame) -> None:
    whole = frame({"synthesizer": "full", "ipc": 144, "top1": 98.0})
    assert ARS().score(whole)[0] == pytest.approx(0.2689414213699951, abs=1e-12)
    assert list(ARS().needs(replace(CELL, synthesizer=Spec("full")))) == []
