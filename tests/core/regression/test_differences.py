"""What two results were made with, where it differs, in words."""

from __future__ import annotations

from typing import Any

import pytest

from ddbench.regression.differences import differences

SETTINGS: dict[str, Any] = {
    "data": "312178e7",
    "precision": "float32",
    "teacher": {"name": "train", "version": 1, "epochs": 15, "architecture": {"name": "convnet", "width": 128}},
    "labeler": {"name": "online", "version": 1, "temperature": 20.0},
    "evaluator": {"name": "standard", "version": 1, "epochs": 300, "schedule": "cosine", "batch_size": 25},
    "architecture": {"name": "resnet18", "version": 1},
    "synthesizer": {"name": "dwa", "version": 1, "rho": 0.015, "generator": {"name": "scratch", "version": 1}},
}


def changed(*path: str, to: Any) -> dict[str, Any]:
    """Return the settings with one value another."""
    first, *rest = path
    return SETTINGS | {first: (SETTINGS[first] | {rest[0]: to}) if len(rest) == 1 else to}


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (changed("data", to="aaaaaaaa"), "data differs"),
        (changed("precision", to="bfloat16"), "precision float32 -> bfloat16"),
        (changed("evaluator", "epochs", to=400), "evaluator epochs 300 -> 400"),
        (changed("evaluator", "schedule", to="steps"), "evaluator schedule cosine -> steps"),
        (changed("evaluator", "zoom", to=72), "evaluator zoom unset -> 72"),
        (changed("evaluator", "version", to=2), "standard version 1 -> 2"),
        (changed("labeler", "name", to="hard"), "labeler online -> hard"),
        (changed("labeler", "temperature", to=None), "labeler temperature 20.0 -> none"),
        (changed("teacher", "epochs", to=20), "teacher epochs 15 -> 20"),
        (
            changed("teacher", "architecture", to={"name": "convnet", "width": 64}),
            "teacher architecture width 128 -> 64",
        ),
        (changed("synthesizer", "version", to=2), "dwa version 1 -> 2"),
        (changed("synthesizer", "generator", to={"name": "scratch", "version": 2}), "scratch version 1 -> 2"),
        ({name: value for name, value in SETTINGS.items() if name != "teacher"}, "teacher train -> none"),
        (SETTINGS | {"holdout": 0.1}, "holdout none -> 0.1"),
    ],
)
def test_another_exam_data_teacher_or_version_forbids_a_comparison(head: dict[str, Any], words: str) -> None:
    assert differences(SETTINGS, head) == ((words,), ())


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (changed("synthesizer", "rho", to=0.02), "rho 0.015 -> 0.02"),
        (changed("synthesizer", "generator", to={"name": "dit", "version": 1}), "generator name scratch -> dit"),
    ],
)
def test_the_methods_own_settings_are_a_note(head: dict[str, Any], words: str) -> None:
    assert differences(SETTINGS, head) == ((), (words,))


def test_equal_settings_differ_in_nothing() -> None:
    assert differences(SETTINGS, dict(SETTINGS)) == ((), ())


def test_many_differences_are_told_in_part_and_data_first() -> None:
    other = {"name": "standard", "version": 2, "epochs": 1, "schedule": "x", "batch_size": 2}

    told, _ = differences(SETTINGS, SETTINGS | {"evaluator": other, "data": "bbbbbbbb"})

    assert told == ("data differs", "standard version 1 -> 2", "evaluator batch_size 25 -> 2", "and 2 more")


def test_a_long_value_is_cut() -> None:
    told, _ = differences(SETTINGS, changed("evaluator", "schedule", to="x" * 200))

    assert len(told[0]) < 90
    assert told[0].endswith("...")
