"""What the tables say, whatever form they take."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from ddbench.types import RenderTask
from ddbench_reporters import tables as reporters
from ddbench_reporters.layout import GAP, Table, seconds, size
from ddbench_reporters.spread import spread

Frame = Callable[..., pd.DataFrame]


def tables(frame: pd.DataFrame) -> tuple[Table, ...]:
    """Return the tables of a frame."""
    return reporters.tables(RenderTask(frame))


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the trials of a frame, one by one."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def by_name(table: Table, row: int = 0) -> dict[str, str]:
    """Return a row by column."""
    return dict(zip(table.header, table.rows[row], strict=True))


def trainings(*accuracies: float, **special: Any) -> list[dict[str, Any]]:
    """Return trials of one cell, one evaluation seed each."""
    return [{"evaluation_seed": seed, "top1": top1, **special} for seed, top1 in enumerate(accuracies)]


def test_the_spread_over_trainings_is_the_sample_standard_deviation(frame: Frame) -> None:
    accuracies = [61.2, 63.9, 58.4, 60.0]

    found = spread(rows(frame(*trainings(*accuracies))))

    assert found.mean == pytest.approx(statistics.mean(accuracies))
    assert found.std == pytest.approx(statistics.stdev(accuracies))
    assert found.n == 4
    assert str(found) == f"{statistics.mean(accuracies):.1f} ± {statistics.stdev(accuracies):.1f} (4)"


def test_one_training_has_a_mean_and_no_spread(frame: Frame) -> None:
    assert str(spread(rows(frame(*trainings(61.24))))) == "61.2 (1)"


def test_the_spread_over_several_distillations_is_over_the_means_of_their_trainings(frame: Frame) -> None:
    first, second = [60.0, 62.0, 64.0], [70.0, 71.0, 75.0]
    trials = frame(*trainings(*first), *trainings(*second, synthesis_seed=1))

    found = spread(rows(trials))

    means = [statistics.mean(first), statistics.mean(second)]
    assert found.n == 2
    assert found.mean == pytest.approx(statistics.mean(means))
    assert found.std == pytest.approx(statistics.stdev(means))
    assert "over n distillations" in tables(trials)[0].notes[0]
    assert "over n trainings on one distilled set" in tables(frame(*trainings(*first)))[0].notes[0]


def test_a_table_in_which_only_some_rows_have_several_distillations_says_both(frame: Frame) -> None:
    mixed = frame(
        *trainings(60.0, 62.0),
        *trainings(70.0, 71.0, synthesis_seed=1),
        *trainings(50.0, 51.0, synthesizer="random"),
    )

    note = tables(mixed)[0].notes[0]

    assert "distillations" in note
    assert "trainings on one distilled set" in note


def test_architectures_are_columns_with_their_mean_and_the_teacher(frame: Frame) -> None:
    accuracy, _ = tables(frame(*trainings(90.0, 92.0), *trainings(66.0, 70.0, architecture="mobilenetv2")))

    assert accuracy.header == ("synthesizer", "ipc", "resnet50", "mobilenetv2", "mean", "teacher")
    row = by_name(accuracy)
    assert row["resnet50"] == "91.0 ± 1.4 (2)"
    assert row["mobilenetv2"] == "68.0 ± 2.8 (2)"
    assert row["mean"] == "79.5"  # (91 + 68) / 2
    assert row["teacher"] == "98.2"
    assert accuracy.title == "top-1 in %: dataset digits, teacher resnet18, labeler online, evaluator standard"


def test_a_missing_architecture_leaves_a_gap_and_no_mean(frame: Frame) -> None:
    accuracy, _ = tables(
        frame(*trainings(90.0), *trainings(68.0, architecture="mobilenetv2"), *trainings(50.0, synthesizer="random"))
    )

    assert by_name(accuracy, 0)["mean"] == "79.0"
    row = by_name(accuracy, 1)
    assert (row["synthesizer"], row["resnet50"], row["mobilenetv2"], row["mean"]) == ("random", "50.0 (1)", GAP, GAP)


def test_failed_trials_are_shown_and_leave_no_mean(frame: Frame) -> None:
    failure = {"status": "failed", "top1": math.nan, "error": "RuntimeError: short of memory"}
    accuracy, _ = tables(
        frame(
            *trainings(90.0, 92.0),
            {"evaluation_seed": 2, **failure},
            {"architecture": "mobilenetv2", **failure},
        )
    )

    row = by_name(accuracy)
    assert row["resnet50"] == "91.0 ± 1.4 (2), 1 failed"
    assert row["mobilenetv2"] == "1 failed"
    assert row["mean"] == GAP
    assert accuracy.notes.count("failed: RuntimeError: short of memory") == 1


def test_published_numbers_have_a_table_of_their_own_between_accuracies_and_costs(frame: Frame) -> None:
    accuracy, beside, cost = tables(frame(*trainings(61.0, 63.0, reported=65.74, reported_metric="top1")))

    assert by_name(accuracy)["resnet50"] == "62.0 ± 1.4 (2)"
    assert by_name(beside)["paper"] == "65.74"
    assert cost.title == "cost"


def test_rows_that_nobody_measured_are_in_no_table_but_that(frame: Frame) -> None:
    accuracy, beside, cost = tables(frame(*trainings(61.0), {"status": "reported", "ipc": 50, "reported": 65.7}))

    assert [len(table.rows) for table in (accuracy, beside, cost)] == [1, 1, 1]
    assert [table.rows[0][1] for table in (accuracy, beside, cost)] == ["10", "50", "10"]


def test_published_numbers_alone_make_one_table(frame: Frame) -> None:
    [beside] = tables(frame({"status": "reported", "reported": 65.7}))

    assert by_name(beside)["measured"] == GAP


def test_rows_keep_the_order_of_the_run_and_ascend_in_ipc(frame: Frame) -> None:
    order = [("dwa", 10), ("dwa", 1), ("dwa", 50), ("a-method", 10), ("a-method", 1)]
    accuracy, cost = tables(frame(*({"synthesizer": name, "ipc": ipc, "top1": 50.0} for name, ipc in order)))

    expected = [("dwa", "1"), ("dwa", "10"), ("dwa", "50"), ("a-method", "1"), ("a-method", "10")]
    assert [row[:2] for row in accuracy.rows] == expected
    assert [row[:2] for row in cost.rows] == expected


def test_what_differs_between_rows_is_a_column_and_what_is_shared_is_the_title(frame: Frame) -> None:
    accuracy, cost = tables(frame(*trainings(90.0), *trainings(80.0, labeler="hard")))

    assert accuracy.header[:3] == ("labeler", "synthesizer", "ipc")
    assert "labeler" not in accuracy.title
    assert [row[0] for row in cost.rows] == ["online", "hard"]


def test_costs_are_per_ipc_and_distillation(frame: Frame) -> None:
    _, cost = tables(
        frame(
            *trainings(90.0, 91.0, synthesize_seconds=60.0, evaluate_seconds=40.0),
            *trainings(90.0, 91.0, synthesis_seed=1, synthesize_seconds=80.0, evaluate_seconds=50.0),
        )
    )

    row = by_name(cost)
    assert row["s per ipc"] == "7.0"  # (60 + 80) / 2 / 10
    assert row["student s"] == "45.0"
    assert (row["peak memory"], row["images"], row["labels"]) == ("2.0 GB", "6.4 kB", "44.8 MB")


def test_passes_are_counted_per_ipc_and_a_gap_where_nobody_counted(frame: Frame) -> None:
    counted = {"synthesize_forward_images": 101_200.0, "synthesize_backward_images": 9_990.0}
    _, cost = tables(frame(*trainings(90.0, **counted), *trainings(80.0, synthesizer="random")))

    assert [row[cost.header.index("passes per ipc")] for row in cost.rows] == ["10.1k + 999", GAP]


def test_results_whose_key_does_not_recompute_are_counted_in_the_notes(frame: Frame) -> None:
    accuracy, _ = tables(frame(*trainings(90.0), *trainings(91.0, synthesis_seed=1, flag="key differs")))

    assert "1 results are flagged: key differs" in accuracy.notes


def test_of_results_of_one_trial_the_newest_counts_and_the_others_are_told(frame: Frame) -> None:
    old = trainings(10.0, 20.0, started_at="2026-01-01T00:00:00+00:00")
    new = trainings(90.0, 92.0, started_at="2026-01-02T00:00:00+00:00")

    accuracy, _ = tables(frame(*new, *old))

    assert "91.0 ± 1.4 (2)" in accuracy.rows[0]
    assert any(note.startswith("2 older results") for note in accuracy.notes)


def test_results_of_two_precisions_are_two_rows(frame: Frame) -> None:
    accuracy, _ = tables(frame(*trainings(90.0), *trainings(80.0, precision="bfloat16")))

    assert "precision" in accuracy.header
    assert len(accuracy.rows) == 2


def test_an_empty_frame_gives_an_empty_table(frame: Frame) -> None:
    assert [table.rows for table in tables(frame())] == [()]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "0.012"), (1.0, "1.0"), (99.94, "99.9"), (123.4, "123"), (math.nan, GAP)]
)
def test_seconds_are_written_short(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (44_800_000, "44.8 MB"), (2.5e12, "2.5 TB"), (math.nan, GAP)],
)
def test_bytes_are_written_in_decimal_units(value: float, text: str) -> None:
    assert size(value) == text


def test_what_a_method_prepares_has_a_column_where_one_of_them_does(frame: Frame) -> None:
    prepared = {"prepare_seconds": 30.0, "prepare_peak_memory_bytes": 9e9, "synthesize_peak_memory_bytes": 1e9}
    _, cost = tables(frame(*trainings(90.0, **prepared), *trainings(80.0, synthesizer="random")))
    assert [row[cost.header.index("prepare s")] for row in cost.rows] == ["30.0", GAP]
    assert cost.rows[0][cost.header.index("peak memory")] == "9.0 GB", "the higher of both stages"
    assert all(len(row) == len(cost.header) for row in cost.rows)
    _, plain = tables(frame(*trainings(80.0)))
    assert "prepare s" not in plain.header


def test_a_cell_with_flagged_trials_says_how_many(frame: Frame) -> None:
    accuracy, _ = tables(frame(*trainings(90.0, 92.0), {"evaluation_seed": 2, "top1": 91.0, "flag": "edited"}))

    assert by_name(accuracy)["resnet50"] == "91.0 ± 1.0 (3), 1 flagged"
    assert accuracy.behind[0, accuracy.header.index("resnet50")].flagged == 1


def test_behind_a_number_are_its_value_unrounded_and_its_cell(frame: Frame) -> None:
    accuracy, cost = tables(frame(*trainings(90.0, 92.5), *trainings(40.0, architecture="vgg16")))

    number = accuracy.behind[0, accuracy.header.index("resnet50")]
    assert number.value == 91.25
    assert number.cell[-3:] == ("dwa", "10", "resnet50")
    assert accuracy.behind[0, accuracy.header.index("mean")].value == (91.25 + 40.0) / 2
    assert cost.behind[0, cost.header.index("labels")].value == 44_800_000.0
    assert accuracy.places[0]["labeler"] == "online"


def test_the_number_that_leads_its_exam_is_the_best_of_its_column_and_no_other(frame: Frame) -> None:
    trials = frame(
        *trainings(90.0, 90.2, 90.1),
        *trainings(80.0, 80.3, 80.2, synthesizer="random"),
        *trainings(85.0, 85.3, 85.2, synthesizer="random", labeler="hard"),  # alone in its exam
        *trainings(60.0, 61.0, architecture="vgg16"),
        *trainings(60.1, 61.1, architecture="vgg16", synthesizer="random"),  # too near
    )
    accuracy, _ = tables(trials)

    assert [accuracy.rows[row][1] for row, column in accuracy.behind if accuracy.best(row, column)] == ["dwa"]
    assert any(note.startswith("bold: ") for note in accuracy.notes)


def test_a_flagged_result_is_never_the_best(frame: Frame) -> None:
    good = trainings(90.0, 90.2, 90.1)
    good[0]["flag"] = "edited"
    accuracy, _ = tables(frame(*good, *trainings(80.0, 80.3, 80.2, synthesizer="random")))

    assert not any(accuracy.best(*place) for place in accuracy.behind)


def test_the_epoch_that_counts_is_chosen_by_name(frame: Frame) -> None:
    trials = frame({"top1": 50.0, "top1_best": 60.0}, {"top1": 52.0, "top1_best": 61.0, "evaluation_seed": 1})
    accuracy, _ = reporters.tables(RenderTask(trials, select="best"))

    assert by_name(accuracy)["resnet50"] == "60.5 ± 0.7 (2)"
    assert "after the epoch that is best on that split" in accuracy.notes[0]
