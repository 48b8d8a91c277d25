from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from ddbench.spec import Spec
from ddbench.types import Cell, Sizes
from ddbench_metrics.equal_bytes import EqualBytes

if TYPE_CHECKING:
    from collections.abc import Callable

    Frame = Callable[..., pd.DataFrame]

CELL = Cell(Spec("digits"), Spec("convnet"), Spec("dwa"), 10, Spec("online"), Spec("standard"), Spec("resnet18"))
HARD = {"labeler": "hard", "teacher": "none", "label_bytes": 0.0}
DWA = {"top1": 80.0, "ipc": 10, "image_bytes": 6400.0, "label_bytes": 3300.0}  # 640 bytes an ipc: 15 and a bit
FULL = HARD | {"synthesizer": "full", "ipc": 144, "image_bytes": 91968.0, "top1": 95.0}


def lot(ipc: int, top1: float) -> dict[str, Any]:
    return HARD | {"synthesizer": "random", "ipc": ipc, "image_bytes": 640.0 * ipc, "top1": top1}


def value(table: pd.DataFrame) -> float:
    return float(EqualBytes().score(table).iloc[0])


def test_the_reference_is_as_many_whole_images_as_images_and_labels_take(frame: Frame) -> None:
    assert value(frame(DWA, lot(10, 50.0), lot(15, 60.0), lot(16, 61.0))) == pytest.approx(20.0, abs=1e-9)


def test_a_reference_may_spend_a_tenth_less_and_no_more(frame: Frame) -> None:
    assert value(frame(DWA, lot(14, 60.0))) == pytest.approx(20.0, abs=1e-9)
    assert pd.isna(value(frame(DWA, lot(13, 60.0))))
    assert pd.isna(value(frame(DWA, lot(16, 60.0))))
    assert pd.isna(value(frame(DWA)))


def test_one_image_of_each_class_stands_for_nearly_two(frame: Frame) -> None:
    nearly = {"ipc": 1, "image_bytes": 640.0, "label_bytes": 600.0}
    assert value(frame(DWA | nearly, lot(1, 30.0))) == pytest.approx(50.0, abs=1e-9)


def test_where_all_real_images_would_fit_they_are_the_reference(frame: Frame) -> None:
    taught = DWA | {"label_bytes": 1e6}
    assert value(frame(taught, FULL, lot(140, 90.0))) == pytest.approx(-15.0, abs=1e-9)
    assert pd.isna(value(frame(taught, lot(10, 50.0))))


def test_real_images_are_their_own_reference(frame: Frame) -> None:
    assert value(frame(lot(10, 50.0))) == 0
    assert value(frame(FULL)) == 0


def test_unknown_bytes_leave_it_unknown(frame: Frame) -> None:
    assert pd.isna(value(frame(DWA | {"label_bytes": float("nan")}, lot(15, 60.0))))


@pytest.mark.parametrize(
    ("nbytes", "synthesizer", "ipc"),
    [(9700, "random", 15), (640, "random", 1), (89_700, "random", 140), (91_968, "full", 10), (10**6, "full", 10)],
)
def test_the_reference_is_planned_for_the_bytes_that_will_be_spent(nbytes: int, synthesizer: str, ipc: int) -> None:
    [reference] = EqualBytes().sized(CELL, Sizes(nbytes, 640, 140, 91_968))
    assert reference == replace(CELL, synthesizer=Spec(synthesizer), ipc=ipc, labeler=Spec("hard"))


def test_where_nobody_knows_the_bytes_nothing_is_planned() -> None:
    assert not list(EqualBytes().sized(CELL, Sizes(None, 640, 140, 91_968)))
    assert not list(EqualBytes().needs(CELL))


def test_all_real_images_are_compared_with_themselves() -> None:
    whole = replace(CELL, synthesizer=Spec("full"))
    [reference] = EqualBytes().sized(whole, Sizes(92_160, 640, 140, 91_968))
    assert reference == replace(whole, labeler=Spec("hard"))
