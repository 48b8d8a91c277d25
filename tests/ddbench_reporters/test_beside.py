"""What was measured beside what a paper printed: differences, marks and gaps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from ddbench.types import RenderTask
from ddbench_reporters import tables as reporters
from ddbench_reporters.layout import GAP, Table

Frame = Callable[..., pd.DataFrame]


def tables(frame: pd.DataFrame) -> tuple[Table, ...]:
    """Return the tables of a frame."""
    return reporters.tables(RenderTask(frame))


PAPER = {"reported": 60.0, "reported_metric": "top1", "reported_unreliable": "", "reported_source": "DWA, Table 3"}


def beside(table: pd.DataFrame) -> Table:
    """Return the table beside the paper."""
    return next(each for each in tables(table) if each.title.startswith("beside the paper"))


def by_name(table: Table, row: int = 0) -> dict[str, str]:
    """Return a row by column."""
    return dict(zip(table.header, table.rows[row], strict=True))


def trainings(*accuracies: float, **special: Any) -> list[dict[str, Any]]:
    """Return trials of one cell that a paper has too, one evaluation seed each."""
    return [{**PAPER, "evaluation_seed": seed, "top1": top1, **special} for seed, top1 in enumerate(accuracies)]


def test_a_frame_without_published_numbers_has_no_such_table(frame: Frame) -> None:
    assert not [table for table in tables(frame({"top1": 50.0})) if "paper" in table.title]


def test_a_row_is_one_number_measured_and_published_with_their_spreads_and_the_difference(frame: Frame) -> None:
    table = beside(frame(*trainings(61.0, 63.0, reported_std=0.5)))

    assert table.header == ("synthesizer", "ipc", "architecture", "measured", "paper", "difference", "mark")
    assert table.rows == (("dwa", "10", "resnet50", "62.0 ± 1.4 (2)", "60.0 ± 0.5", "+2.0", ""),)
    assert table.title == "beside the paper: top-1 in %, dataset digits"
    assert table.numeric == 4
    assert "paper: DWA, Table 3" in table.notes
    assert "measured with teacher resnet18, labeler online" in table.notes


def test_architectures_are_rows_and_not_columns(frame: Frame) -> None:
    table = beside(frame(*trainings(61.0), *trainings(40.0, architecture="vgg16", reported=41.5)))

    assert [(row[2], row[4], row[5]) for row in table.rows] == [("resnet50", "60.0", "+1.0"), ("vgg16", "41.5", "-1.5")]


@pytest.mark.parametrize(
    ("measured", "std", "mark"),
    [
        ((62.0, 64.0), 0.0, "> 2 s.d."),  # 3 apart; the measured deviation is 1.41
        ((61.5, 63.5), 0.0, ""),  # 2.5 apart
        ((62.0, 64.0), 1.0, ""),  # the root of 1.41 squared and 1 squared is 1.73
        ((64.9,), 2.0, "> 2 s.d."),  # one training has no deviation: the paper's alone
        ((63.9,), 2.0, ""),
        ((62.0, 64.0), math.nan, "> 2 s.d."),  # a paper without one: the measured alone
        ((90.0,), math.nan, ""),  # neither is known: no verdict
    ],
)
def test_a_difference_of_more_than_two_standard_deviations_is_marked(
    frame: Frame, measured: tuple[float, ...], std: float, mark: str
) -> None:
    table = beside(frame(*trainings(*measured, reported_std=std)))

    assert by_name(table)["mark"] == mark
    assert table.notes[0].startswith("difference: measured less paper; > 2 s.d.: further apart than two")


def test_a_number_in_doubt_is_marked_and_the_reason_told_once(frame: Frame) -> None:
    doubt = {"reported_unreliable": "printed twice"}
    table = beside(frame(*trainings(61.0, **doubt), *trainings(40.0, architecture="vgg16", **doubt)))

    assert [row[-1] for row in table.rows] == ["unreliable", "unreliable"]
    assert [note for note in table.notes if "unreliable" in note] == ["unreliable: printed twice"]


def test_both_marks_stand_side_by_side(frame: Frame) -> None:
    table = beside(frame(*trainings(10.0, reported_std=0.1, reported_unreliable="printed twice")))

    assert by_name(table)["mark"] == "> 2 s.d., unreliable"


def test_where_the_authors_print_the_best_accuracy_the_best_is_compared_and_said(frame: Frame) -> None:
    best = {"top1_best": 64.0, "reported_accuracy": "best", "evaluator": "dwa"}
    table = beside(frame(*trainings(61.0, **best)))

    assert (by_name(table)["measured"], by_name(table)["difference"]) == ("64.0 (1)", "+4.0")
    assert any(note.startswith("measured by dwa: the best accuracy on the test split") for note in table.notes)


def test_exams_of_authors_with_other_habits_are_told_apart(frame: Frame) -> None:
    best = {"top1_best": 64.0, "reported_accuracy": "best", "evaluator": "dwa"}
    table = beside(frame(*trainings(61.0, **best), *trainings(58.0, top1_best=59.0, evaluator="sre2l")))

    assert table.header[0] == "evaluator"
    assert [(row[0], row[4]) for row in table.rows] == [("dwa", "64.0 (1)"), ("sre2l", "58.0 (1)")]
    notes = [note.partition(":")[0] for note in table.notes if note.startswith("measured by")]
    assert notes == ["measured by dwa", "measured by sre2l"]


def test_what_nobody_measured_stays_a_gap_after_what_was(frame: Frame) -> None:
    unmeasured = {"status": "reported", "reported": 56.1, "reported_std": 0.4}
    table = beside(frame({**unmeasured, "ipc": 1}, {**unmeasured, "synthesizer": "MTT"}, *trainings(61.0)))

    assert [row[:2] for row in table.rows] == [("dwa", "10"), ("dwa", "1"), ("MTT", "10")]
    assert table.rows[1][3:] == (GAP, "56.1 ± 0.4", GAP, "")


def test_a_failed_training_is_told_and_compared_with_nothing(frame: Frame) -> None:
    failed = {"status": "failed", "error": "RuntimeError: x"}
    table = beside(frame(*trainings(61.0, math.nan)[:1], {**PAPER, **failed, "evaluation_seed": 1}))
    assert (by_name(table)["measured"], by_name(table)["difference"]) == ("61.0 (1), 1 failed", "+1.0")

    table = beside(frame({**PAPER, **failed}))
    assert (by_name(table)["measured"], by_name(table)["difference"]) == ("1 failed", GAP)


def test_a_data_set_that_stands_in_for_the_paper_s_is_told(frame: Frame) -> None:
    table = beside(frame(*trainings(61.0, dataset="cifar10-jpeg", reported_dataset="cifar10")))

    assert "published for cifar10, measured on cifar10-jpeg" in table.notes
    same = beside(frame(*trainings(61.0, dataset="cifar10", reported_dataset="cifar10")))
    assert not [note for note in same.notes if note.startswith("published for")]


def test_a_number_of_a_cell_serves_its_trials_of_files_that_lack_it(frame: Frame) -> None:
    with_it, without = trainings(61.0, 63.0)
    without |= dict.fromkeys(PAPER) | {"reported_std": math.nan}

    assert by_name(beside(frame(with_it, without)))["measured"] == "62.0 ± 1.4 (2)"


def test_seconds_of_synthesis_are_per_ipc_and_over_distillations(frame: Frame) -> None:
    made = [
        {"synthesis_seed": seed, "evaluation_seed": other, "synthesize_seconds": seconds, "top1": 50.0}
        for seed, seconds in ((0, 1000.0), (1, 1200.0))
        for other in (0, 1, 2)
    ]
    published = {
        "status": "reported", "teacher": "resnet18", "architecture": None, "reported": 125.12,
        "reported_metric": "seconds_per_ipc",
    }  # fmt: skip
    table = beside(frame(*made, {"synthesizer": "sre2l", "synthesize_seconds": 10.0}, published))

    assert table.title == "beside the paper: s per ipc, dataset digits"
    assert table.rows == (("dwa", "10", GAP, "110.0 ± 14.1 (2)", "125.12", "-15.1", ""),)


def test_seconds_of_images_that_nobody_made_are_a_gap(frame: Frame) -> None:
    published = {
        "status": "reported", "synthesizer": "sre2l", "architecture": None, "ipc": None, "reported": 116.58,
        "reported_metric": "seconds_per_ipc",
    }  # fmt: skip
    table = beside(frame({"top1": 50.0, "synthesize_seconds": 10.0}, published))

    assert table.rows == (("sre2l", GAP, GAP, GAP, "116.58", GAP, ""),)


def test_memory_is_written_in_decimal_units_and_kinds_of_numbers_are_told_apart(frame: Frame) -> None:
    memory = {
        "status": "reported", "teacher": "resnet18", "architecture": None, "reported": 3e9,
        "reported_metric": "peak_memory_bytes",
    }  # fmt: skip
    table = beside(frame(*trainings(61.0), memory))

    assert table.title == "beside the paper: dataset digits"
    assert [row[3] for row in table.rows] == ["top-1 in %", "peak memory"]
    assert table.rows[1][4:] == ("2.0 GB", "3.0 GB", "-1.0 GB", "")


@pytest.mark.parametrize(
    ("value", "text"), [(60.9, "60.9"), (63.0, "63.0"), (44.37, "44.37"), (5, "5.0"), (0.1 + 0.2, "0.3")]
)
def test_a_paper_s_number_is_written_as_it_was_printed(frame: Frame, value: float, text: str) -> None:
    assert by_name(beside(frame(*trainings(61.0, reported=value))))["paper"] == text
