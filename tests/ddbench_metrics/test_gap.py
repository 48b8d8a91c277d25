from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from ddbench.spec import Spec
from ddbench.types import Cell
from ddbench_metrics.gap import Gap

if TYPE_CHECKING:
    from collections.abc import Callable

    Frame = Callable[..., pd.DataFrame]


CELL = Cell(Spec("digits"), Spec("convnet"), Spec("dwa"), 10, Spec("online"), Spec("standard"), Spec("resnet18"))


def students(**others: Any) -> list[dict[str, Any]]:
    tops = {"convnet": 80.0, "resnet18": 70.0, "vgg11": 65.0}
    return [{"architecture": name, "top1": top1, **others} for name, top1 in tops.items()]


def test_the_gap_is_told_where_student_and_teacher_are_of_one_architecture(frame: Frame) -> None:
    values = list(Gap().score(frame(*students())))
    assert values[0] == pytest.approx(12.5, abs=1e-12)
    assert all(map(pd.isna, values[1:]))


def test_each_seed_has_its_own_gap(frame: Frame) -> None:
    table = frame(*students(), *students(evaluation_seed=1, top1=50.0))
    assert list(Gap().score(table).dropna()) == pytest.approx([12.5, 0.0], abs=1e-12)


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_student_that_failed_leaves_no_gap(frame: Frame, seeds: int) -> None:
    trials = [trial for seed in range(seeds) for trial in students(evaluation_seed=seed)]
    trials[1] |= {"status": "failed", "top1": float("nan")}
    values = Gap().score(frame(*trials))
    assert pd.isna(values[0])
    assert values.notna().sum() == seeds - 1


def test_a_student_that_is_missing_at_a_seed_leaves_no_gap_there(frame: Frame) -> None:
    values = Gap().score(frame(*students(), *students(evaluation_seed=1)[:2]))
    assert list(values.notna()) == [True, False, False, False, False]


def test_without_another_architecture_or_without_a_teacher_there_is_no_gap(frame: Frame) -> None:
    assert Gap().score(frame(*students()[:1])).isna().all()
    assert Gap().score(frame(*students(teacher="none"))).isna().all()
    assert Gap().score(frame(*students()).assign(settings=None)).isna().all()


def test_the_note_says_how_many_architectures_the_mean_is_over(frame: Frame) -> None:
    [note] = Gap().notes(frame(*students(), *students(evaluation_seed=1)))
    assert note == "gap: the teacher's architecture less the mean of 2 others (resnet18, vgg11)"
    assert not list(Gap().notes(frame(*students()[:1])))


def test_the_teachers_architecture_is_evaluated_from_scratch() -> None:
    taught = Spec.of("train", {"architecture": "convnet[width=32]", "epochs": 5})
    assert [each.architecture for each in Gap().needs(replace(CELL, teacher=taught))] == [
        Spec.parse("convnet[width=32]")
    ]
    hub = Spec.of("pretrained", {"architecture": "torchvision/resnet18[pretrained=true]"})
    assert [each.architecture for each in Gap().needs(replace(CELL, teacher=hub))] == [Spec("torchvision/resnet18")]
