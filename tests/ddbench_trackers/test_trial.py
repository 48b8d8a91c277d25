from __future__ import annotations

import copy
import math

from ddbench.testing import story
from ddbench_trackers.trial import file_name, trial_of

DOCUMENTS = story.documents()


def test_a_trial_is_named_after_student_and_seeds_and_grouped_by_its_cell() -> None:
    trials = [trial_of(document) for document in DOCUMENTS]

    assert trials[1].name == "toy-net synthesis0-evaluation1"
    assert trials[1].group == "toy toy-teacher toy-synth ipc2 toy-labels toy-exam toy-net"
    assert [trial.group for trial in trials[:2]] == [trials[0].group] * 2
    assert len({trial.group for trial in trials}) == 4
    assert trials[1].tags == ("toy", "toy-synth", "ipc2", "done")


def test_what_is_sent_are_coordinates_curves_and_the_numbers_of_the_frame() -> None:
    trial, row = trial_of(DOCUMENTS[0]), story.frame().iloc[0]

    assert trial.config == DOCUMENTS[0]["trial"] | {"benchmark": "story", "key": DOCUMENTS[0]["key"]}
    assert trial.curves["loss"] == [(1, 2.0), (2, 1.0)]
    assert trial.curves["top1"][-1] == (2, row["top1"])
    assert {name: row[name] for name in trial.numbers} == dict(trial.numbers)
    assert {"top1", "top5", "top1_best", "teacher_top1", "evaluate_seconds", "label_bytes"} <= set(trial.numbers)


def test_a_failed_trial_has_its_error_and_no_number() -> None:
    trial = trial_of(DOCUMENTS[-1])

    assert trial.error == story.FAILURE
    assert (trial.numbers, trial.curves) == ({}, {})
    assert trial.tags[-1] == "failed"


def test_trials_and_a_failure_and_a_later_success_have_identifiers_of_their_own() -> None:
    later = copy.deepcopy(DOCUMENTS[-1]) | {"status": "done", "measures": DOCUMENTS[0]["measures"]}

    identifiers = [trial_of(document).identifier for document in [*DOCUMENTS, later]]

    assert len(set(identifiers)) == len(DOCUMENTS) + 1
    assert trial_of(copy.deepcopy(DOCUMENTS[0])).identifier == identifiers[0]


def test_an_epoch_without_a_test_is_left_out_of_that_curve() -> None:
    document = copy.deepcopy(DOCUMENTS[0])
    document["measures"]["curve"][0]["top1"] = None

    curves = trial_of(document).curves

    assert [epoch for epoch, _ in curves["top1"]] == [2]
    assert [epoch for epoch, _ in curves["loss"]] == [1, 2]
    assert all(math.isfinite(value) for curve in curves.values() for _, value in curve)


def test_any_text_becomes_the_name_of_a_file() -> None:
    name = file_name('folder[path="../a b"] ' + "x" * 300)

    assert len(name) <= 150
    assert not set(name) & set('/\\ "[]')
