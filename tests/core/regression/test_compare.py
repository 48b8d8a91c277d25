"""Two frames of trials, cell by cell: verdicts, what forbids one, and what the whole comes to."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from scipy import stats

from ddbench import frames
from ddbench.regression.compare import Compared, Comparison, Question, compare, number_columns
from ddbench.regression.verdicts import parse

if TYPE_CHECKING:
    from pathlib import Path

Make = Callable[..., pd.DataFrame]

SETTINGS: dict[str, Any] = {
    "data": "312178e7",
    "precision": "float32",
    "evaluator": {"name": "standard", "version": 1, "epochs": 300},
    "synthesizer": {"name": "dwa", "version": 1, "rho": 0.015},
}
OTHER_EXAM = SETTINGS | {"evaluator": {"name": "standard", "version": 1, "epochs": 400}}
BASE = [60.0, 61.5, 59.2]


def trial(seed: int = 0, top1: float | None = 60.0, **columns: Any) -> dict[str, Any]:
    """Return a row of an export."""
    settings = columns.pop("made_with", SETTINGS)
    row = {
        "dataset": "digits", "teacher": "convnet", "synthesizer": "dwa", "ipc": 1, "labeler": "hard",
        "evaluator": "standard", "architecture": "convnet", "synthesis_seed": 0, "evaluation_seed": seed,
        "status": "done", "top1": top1, "loss": 1.0, "evaluate_seconds": 10.0, "device": "cpu", "processor": "A",
        "key": f"{seed}", "flag": "", "error": "", "started_at": "2026-01-01",
        "settings": json.dumps(settings), "sources": '{"ddbench":"1"}',
    }  # fmt: skip
    return row | columns


def trials(values: list[float], **columns: Any) -> list[dict[str, Any]]:
    return [trial(seed, value, **columns) for seed, value in enumerate(values)]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    """Return a function that loads rows as those of an export."""
    number = itertools.count()

    def make(rows: list[dict[str, Any]]) -> pd.DataFrame:
        path = tmp_path / f"{next(number)}.json"
        path.write_text(json.dumps(rows))
        return frames.load(path)

    return make


@pytest.fixture
def against(made: Make) -> Callable[..., Comparison]:
    """Return a function that compares rows, with what ``--metric`` and ``--fail-on`` say."""

    def run(base: list[dict[str, Any]], head: list[dict[str, Any]], *fail_on: str, metric: str = "top1") -> Comparison:
        frame = made(base)
        rules, words = parse(fail_on, number_columns(frame))
        columns = tuple(dict.fromkeys([metric, *(rule.column for rule in rules)]))
        return compare(frame, made(head), Question(columns, rules, words))

    return run


def only(comparison: Comparison) -> Compared:
    (row,) = comparison.rows
    return row


Against = Callable[..., Comparison]


# ------------------------------------------------------------------------------------------------ numbers


def test_the_same_seeds_are_compared_by_pairs(against: Against) -> None:
    head = [59.0, 61.1, 57.9]

    row = only(against(trials(BASE), trials(head)))

    expected = stats.ttest_rel(head, BASE).confidence_interval(0.95)
    found = row.contrast
    assert (found.method, found.over, found.base.n, found.head.n) == ("paired", "trainings", 3, 3)
    assert found.interval.difference == pytest.approx(sum(head) / 3 - sum(BASE) / 3)
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))


def test_other_seeds_are_compared_by_welch(against: Against) -> None:
    head = [trial(seed, value) for seed, value in ((5, 59.0), (6, 61.1), (7, 57.9), (8, 58.0))]

    found = only(against(trials(BASE), head)).contrast

    expected = stats.ttest_ind([59.0, 61.1, 57.9, 58.0], BASE, equal_var=False).confidence_interval(0.95)
    assert (found.method, found.base.n, found.head.n) == ("Welch", 3, 4)
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))


def test_seeds_that_only_overlap_are_compared_by_welch(against: Against) -> None:
    head = [trial(seed, 59.0 + seed) for seed in (1, 2, 3)]

    assert only(against(trials(BASE), head)).contrast.method == "Welch"


@pytest.mark.parametrize("swapped", [False, True])
def test_of_a_side_with_more_seeds_those_with_a_partner_count(against: Against, swapped: bool) -> None:
    many, few = trials([60.0, 61.5, 59.2, 99.0]), trials([60.0, 61.5, 59.2])

    row = only(against(few, many) if swapped else against(many, few))

    assert (row.verdict, row.contrast.method, row.contrast.interval.difference) == ("same", "paired", 0)
    assert (row.contrast.base.n, row.contrast.head.n) == (3, 3)
    side = "HEAD" if swapped else "BASELINE"
    assert row.notes == (f"3 of 4 trials of {side} have their seeds on both sides",)


def test_several_distillations_count_once_each_however_often_they_are_trained_on(against: Against) -> None:
    def grid(values: list[list[float]]) -> list[dict[str, Any]]:
        cells = ((s, e, value) for s, each in enumerate(values) for e, value in enumerate(each))
        return [trial(e, value, synthesis_seed=s, key=f"{s}-{e}") for s, e, value in cells]

    base, head = [[60.0, 62.0], [50.0, 51.0], [55.0, 56.0]], [[58.0, 61.0], [50.0, 48.0], [54.0, 53.0]]

    found = only(against(grid(base), grid(head))).contrast

    expected = stats.ttest_rel([59.5, 49.0, 53.5], [61.0, 50.5, 55.5]).confidence_interval(0.95)
    assert (found.method, found.over, found.base.n) == ("paired", "distillations", 3)
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))


def test_what_trainings_share_is_counted_once(against: Against) -> None:
    base = trials(BASE, synthesize_seconds=5.0, squeeze_seconds=3.0)
    head = trials(BASE, synthesize_seconds=6.0, squeeze_seconds=4.0)

    rows = against(base, head, "synthesize_seconds:+10%", "squeeze_seconds:+10%", metric="top1").rows

    told = {row.column: (row.verdict, row.contrast.over, row.contrast.base.n) for row in rows}
    assert told["synthesize_seconds"] == ("underpowered", "distillations", 1)
    assert told["squeeze_seconds"] == ("underpowered", "teachers", 1)
    assert told["top1"] == ("same", "trainings", 3)


# ------------------------------------------------------------------------------------------------ verdicts


@pytest.mark.parametrize(
    ("head", "fail_on", "verdict", "code"),
    [
        ([60.0, 61.5, 59.2], [], "same", 0),
        ([58.0, 59.4, 57.3], [], "WORSE", 1),
        ([58.0, 59.4, 57.3], ["top1:-1"], "WORSE", 1),
        ([58.0, 59.4, 57.3], ["top1:-2.5"], "same", 0),
        ([58.0, 59.4, 57.3], ["top1:-2.1"], "underpowered", 0),
        ([58.0, 59.4, 57.3], ["top1:-2.1", "underpowered"], "underpowered", 1),
        ([58.0, 59.4, 57.3], ["top1:-3%"], "WORSE", 1),
        ([62.0, 63.4, 61.3], [], "better", 0),
        ([62.0, 63.4, 61.3], ["better"], "better", 1),
        ([50.0, 70.0, 60.0], [], "same", 0),
        ([50.0, 70.0, 60.0], ["top1:-1"], "underpowered", 0),
    ],
)
def test_verdict_and_exit_code(
    against: Against, head: list[float], fail_on: list[str], verdict: str, code: int
) -> None:
    found = against(trials(BASE), trials(head), *fail_on)

    assert (only(found).verdict, found.code, only(found).fails) == (verdict, code, code == 1)


def test_an_underpowered_cell_says_how_many_seeds_would_do(against: Against) -> None:
    row = only(against(trials(BASE), trials([50.0, 70.0, 60.0]), "top1:-1"))

    assert row.notes[0].startswith("a change by 1 is neither shown nor excluded: it takes about ")


def test_more_seconds_are_worse_where_more_is_worse(against: Against) -> None:
    base = [trial(seed, evaluate_seconds=10.0 + seed / 10) for seed in range(3)]
    head = [trial(seed, evaluate_seconds=13.0 + seed / 10) for seed in range(3)]

    found = against(base, head, "train_seconds:+20%")

    assert {row.column: row.verdict for row in found.rows} == {"evaluate_seconds": "WORSE", "top1": "same"}
    assert found.code == 1
    assert against(base, head, "train_seconds:+40%").code == 0
    assert against(head, base, "train_seconds:+20%").counts == {"better": 1, "same": 1}


def test_any_rise_is_more_than_a_percentage_of_nothing(against: Against) -> None:
    base, head = (trials(BASE, evaluate_seconds=seconds) for seconds in (0.0, 1.0))

    assert against(base, head, "train_seconds:+20%").counts["WORSE"] == 1
    assert against(base, base, "train_seconds:+20%").counts == {"same": 2}


def test_a_fall_without_a_rule_fails_only_on_top1(against: Against) -> None:
    base, head = trials(BASE), trials(BASE, loss=2.0)

    assert against(base, head, metric="loss").counts == {"WORSE": 1}
    assert against(base, head, metric="loss").code == 0
    assert against(base, head, "loss:+0.5").code == 1


# --------------------------------------------------------------------------------------- few seeds, no numbers


@pytest.mark.parametrize(("base", "head"), [([60.0], [60.5, 61.0]), ([60.5, 61.0], [60.0]), ([60.0], [50.0])])
def test_one_seed_says_nothing(against: Against, base: list[float], head: list[float]) -> None:
    row = only(against(trials(base), trials(head)))

    assert row.verdict == "underpowered"
    assert math.isnan(row.contrast.interval.low)
    assert "no spread" in row.notes[0]


def test_one_seed_is_the_same_only_if_it_is_the_very_same_result(against: Against) -> None:
    base = [trial(0, 60.0)]

    assert only(against(base, [trial(0, 60.0)])).verdict == "same"
    assert only(against(base, [trial(0, 60.0, loss=1.1)])).verdict == "underpowered"  # an accuracy equal by chance
    assert only(against(base, [trial(0, 60.0, key="other")])).verdict == "underpowered"
    assert only(against(base, [trial(1, 60.0)])).verdict == "underpowered"


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf])
def test_a_number_that_is_lost_is_missing(against: Against, nothing: float | None) -> None:
    base, head = trials(BASE), [trial(0), trial(1), trial(2, nothing)]

    row = only(against(base, head))

    assert (row.verdict, row.notes) == ("missing", ("no number of top1 in 1 of 3 trials",))
    assert against(base, head).code == 3


def test_a_number_that_the_baseline_lacks_is_new(against: Against) -> None:
    row = only(against([trial(0, None)], [trial(0, 60.0)]))

    assert (row.verdict, row.notes) == ("new", ("BASELINE has no number of top1",))


def test_a_column_without_numbers_anywhere_is_nothing_comparable(against: Against) -> None:
    found = against(trials(BASE), trials(BASE), "prepare_seconds:+10%")

    assert [row.column for row in found.rows] == ["top1"]
    assert found.code == 4


def test_a_baseline_of_failures_alone_or_without_the_number_asked_is_nothing_comparable(against: Against) -> None:
    failed = [trial(seed, None, status="failed", error="out of memory") for seed in range(3)]
    numbered = trials(BASE, calibration_error=0.1)

    assert (against(failed, trials(BASE)).counts, against(failed, trials(BASE)).code) == ({"new": 1}, 4)
    asked = against(trials(BASE), numbered, "top1:-1", "calibration_error:+0.05")
    assert (asked.counts, asked.code) == ({"new": 1, "same": 1}, 4)
    assert against(numbered, numbered, "top1:-1", "calibration_error:+0.05").code == 0


@pytest.mark.parametrize("rule", [[], ["top1:-1"]])
def test_where_no_cell_has_two_numbers_a_side_a_fall_is_no_pass(against: Against, rule: list[str]) -> None:
    many = trials(BASE, synthesizer="sre2l")

    assert against([trial(0, 90.0)], [trial(0, 10.0)], *rule).code == 4
    assert against([trial(0, 90.0)], [trial(0, 90.0)], *rule).code == 0  # the very same result
    assert against([trial(0, 90.0), *many], [trial(0, 10.0), *many], *rule).code == 0
    assert against([trial(0, 90.0), *many], [trial(0, 10.0), *many], *rule, "underpowered").code == 1


# ------------------------------------------------------------------------------------------ what is not there


def test_a_cell_that_head_lacks_is_missing_and_one_that_only_head_has_is_new(against: Against) -> None:
    base = trials(BASE) + trials(BASE, synthesizer="sre2l")
    head = trials(BASE) + trials(BASE, synthesizer="mine")

    found = against(base, head)

    assert [(row.cell[2], row.verdict, row.fails) for row in found.rows] == [
        ("sre2l", "missing", True),
        ("mine", "new", False),
        ("dwa", "same", False),
    ]
    assert found.code == 3
    assert against(base, head, "new").code == 1


def test_a_trial_that_fails_in_head_is_missing_with_the_beginning_of_its_error(against: Against) -> None:
    failed = trial(2, None, status="failed", error="out of memory\n" + "x" * 200)

    found = against(trials(BASE), [*trials(BASE[:2]), failed])

    (note,) = only(found).notes
    assert (only(found).verdict, found.code) == ("missing", 3)
    assert note.startswith("1 of 3 trials failed: out of memory xxx")
    assert len(note) < 120


def test_a_trial_that_failed_in_the_baseline_too_does_not_count(against: Against) -> None:
    failed = trial(2, None, status="failed", error="out of memory")

    assert only(against([*trials(BASE[:2]), failed], [*trials(BASE[:2]), failed])).verdict == "same"
    assert only(against([failed], [failed])).verdict == "missing"
    assert only(against([failed], [trial(2)])).verdict == "new"


def test_no_cell_in_common_is_nothing_comparable(against: Against) -> None:
    assert against(trials(BASE), trials(BASE, dataset="cifar10")).code == 4


def test_what_is_only_reported_is_no_trial(against: Against) -> None:
    reported = {**trial(0, None, status="reported"), "synthesizer": "MTT", "reported": 65.0}

    assert only(against([*trials(BASE), reported], trials(BASE))).verdict == "same"


# ------------------------------------------------------------------------------------------ what is incomparable


def test_another_exam_is_incomparable_and_the_row_says_which(against: Against) -> None:
    found = against(trials(BASE), trials([1.0, 2.0, 3.0], made_with=OTHER_EXAM))

    assert (only(found).verdict, only(found).notes) == ("incomparable", ("evaluator epochs 300 -> 400",))
    assert found.code == 5
    assert against(trials(BASE), trials(BASE, made_with=OTHER_EXAM), "incomparable").code == 1


def test_an_exam_that_is_spelt_otherwise_is_found_too(against: Against) -> None:
    spelt = {"evaluator": "standard[epochs=400]"}

    other = only(against(trials(BASE), trials(BASE, made_with=OTHER_EXAM, **spelt)))
    alias = only(against(trials(BASE), trials(BASE, evaluator="dwa")))

    assert (other.verdict, other.notes) == ("incomparable", ("evaluator epochs 300 -> 400",))
    assert alias.verdict == "same"


def test_of_several_exams_none_is_taken_for_another(against: Against) -> None:
    head = [row for exam in ("a", "b") for row in trials(BASE, evaluator=exam, made_with=OTHER_EXAM)]

    assert against(trials(BASE), head).counts == {"missing": 1, "new": 2}


def test_the_methods_own_settings_and_its_code_may_differ(against: Against) -> None:
    method = SETTINGS | {"synthesizer": {"name": "dwa", "version": 1, "rho": 0.02}}

    row = only(against(trials(BASE), trials(BASE, made_with=method, sources='{"ddbench":"2"}')))

    assert (row.verdict, row.notes) == ("same", ("rho 0.015 -> 0.02", "code changed: ddbench"))


def test_flagged_results_are_not_sound(against: Against) -> None:
    edited = [*trials(BASE[:2]), trial(2, 59.2, flag="key differs")]

    for sides, name in (((edited, trials(BASE)), "BASELINE"), ((trials(BASE), edited), "HEAD")):
        row = only(against(*sides))
        assert (row.verdict, row.notes) == ("incomparable", (f"{name}: 1 of 3 results flagged: key differs",))


def test_a_trial_found_twice_counts_once(against: Against) -> None:
    row = only(against(trials(BASE) * 2, trials(BASE)))

    assert (row.verdict, row.contrast.base.n) == ("same", 3)


def test_a_trial_made_in_two_ways_on_one_side_is_not_one_result(against: Against) -> None:
    twice = [*trials(BASE), *(trial(seed, 50.0, key=f"new{seed}", made_with=OTHER_EXAM) for seed in (0, 1))]

    row = only(against(trials(BASE), twice))

    words = "HEAD: 2 of 3 trials there under several keys: evaluator epochs 300 -> 400"
    assert (row.verdict, row.notes) == ("incomparable", (words,))


def test_seeds_made_in_two_ways_are_not_one_sample(against: Against) -> None:
    mixed = [*trials(BASE), trial(3, 60.0, made_with=OTHER_EXAM)]

    row = only(against(mixed, trials(BASE)))

    assert (row.verdict, row.notes[0]) == ("incomparable", "BASELINE: settings mixed: evaluator epochs 300 -> 400")


def test_costs_of_another_machine_are_incomparable_and_accuracies_are_not(against: Against) -> None:
    gpu = trials(BASE, device="NVIDIA H200", evaluate_seconds=1.0)

    rows = against(trials(BASE), gpu, metric="evaluate_seconds").rows

    assert [(row.verdict, *row.notes) for row in rows] == [("incomparable", "computed on cpu (A) -> NVIDIA H200")]
    assert only(against(trials(BASE), gpu)).verdict == "same"
    assert only(against(trials(BASE), trials(BASE, processor="B"), metric="evaluate_seconds")).verdict == "incomparable"
    assert only(against(trials(BASE), trials(BASE, processor="B"), metric="loss")).verdict == "same"


def test_unknown_settings_are_trusted_only_where_the_keys_are_equal(against: Against) -> None:
    unknown = trials(BASE, settings=None)

    assert only(against(trials(BASE), unknown)).verdict == "same"
    others = [row | {"key": f"x{row['key']}"} for row in unknown]
    assert only(against(trials(BASE), others)).notes == ("settings unknown",)


@pytest.mark.parametrize("garbage", ["{", "[]", "1", "null"])
def test_settings_that_cannot_be_read_are_no_settings(against: Against, garbage: str) -> None:
    row = only(against(trials(BASE), trials(BASE, settings=garbage)))

    assert (row.verdict, row.notes) == ("incomparable", ("HEAD: settings that cannot be read",))


def test_trials_without_seeds_cannot_be_told_apart(against: Against) -> None:
    row = only(against([trial(0) | {"evaluation_seed": None}], [trial(0)]))

    assert (row.verdict, row.notes) == ("incomparable", ("BASELINE: seeds unknown",))
    some = against([trial(0), trial(1) | {"evaluation_seed": None}], [trial(0)])
    assert (only(some).verdict, only(some).contrast.base.n, some.code) == ("incomparable", 2, 5)


# -------------------------------------------------------------------------------------------------- the whole


def test_a_regression_outranks_what_is_incomparable_and_that_outranks_what_is_missing(against: Against) -> None:
    worse, other, gone = ({"synthesizer": name} for name in ("a", "b", "c"))
    base = [row for cell in (worse, other, gone) for row in trials(BASE, **cell)]
    unlike = trials(BASE, **other, made_with=OTHER_EXAM)

    all_three = against(base, [*trials([1.0, 2.5, 0.0], **worse), *unlike])
    two = against(base, [*trials(BASE, **worse), *unlike])

    assert [row.verdict for row in all_three.rows] == ["WORSE", "missing", "incomparable"]
    assert (all_three.code, two.code) == (1, 5)


def test_columns_that_can_be_compared_hold_measurements(made: Make) -> None:
    columns = number_columns(made(trials(BASE)))

    assert {"top1", "loss", "evaluate_seconds", "label_bytes"} <= set(columns)
    assert not {"ipc", "evaluation_seed", "reported", "device", "key"} & set(columns)
