"""``ddbench export``: all trials in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import ddbench

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[..., Any]


@pytest.fixture
def results(run: Call) -> None:
    """Make results of two trials, one of them edited since."""
    assert run().code == 0
    file = min(Path("results").rglob("*.json"))
    file.write_text(json.dumps({**json.loads(file.read_text()), "benchmark": "another"}))


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
def test_an_export_comes_back_as_the_frame_of_its_folder(command: Call, form: str) -> None:
    ended = command("export", "results", "-o", f"folder/all.{form}")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"folder/all.{form}: 2 trials, 0 failed, 1 flagged\n"
    found = ddbench.load(f"folder/all.{form}")
    pd.testing.assert_frame_equal(found, ddbench.load("results"), check_dtype=False, check_exact=True)


@pytest.mark.usefixtures("results")
def test_results_is_the_folder_where_none_is_named(command: Call) -> None:
    assert command("export", "-o", "all.csv").out.startswith("all.csv: 2 trials")


@pytest.mark.usefixtures("results")
def test_another_ending_is_refused_with_those_that_are_known(command: Call) -> None:
    ended = command("export", "results", "-o", "all.xlsx")

    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert ".parquet, .csv, .json" in ended.err


@pytest.mark.usefixtures("toys")
def test_no_results_end_with_4_and_write_nothing(command: Call) -> None:
    Path("results").mkdir()

    ended = command("export", "-o", "all.csv")

    assert (ended.code, ended.out) == (4, "")
    assert len(ended.err.splitlines()) == 1
    assert not Path("all.csv").exists()


@pytest.mark.usefixtures("results")
def test_a_file_that_cannot_be_read_is_told_and_ends_with_3(command: Call) -> None:
    Path("results", "half.json").write_text("{")

    ended = command("export", "results", "-o", "all.csv")

    assert ended.code == 3
    assert "2 trials" in ended.out
    assert "results/half.json" in ended.err
