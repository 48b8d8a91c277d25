"""Bad result files: each gets one clear line, the rest is shown, and what was edited is flagged wherever it appears."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ddbench.keys import digest
from ddbench.results import read, write

Shell = Callable[..., Any]

BAD = {
    "empty": b"",
    "half": b'{\n "schema": 1,\n "trial": {"dataset": "to',
    "newer": b'{"schema": 2}',
    "foreign": b'{"top1": 94.9}',
    "latin": '{"schema": "é"}'.encode("latin-1"),
    "nan": b'{"schema": 1, "measures": {"top1": NaN}}',
}
FORMS = ("rich", "markdown", "latex", "csv", "html")


@pytest.fixture
def sound(shell: Shell, toys: list[str]) -> list[Path]:
    """Make results without a store; returns their files."""
    assert shell("run", *toys, "--executor", "serial", "--device", "cpu")[0] == 0
    shutil.rmtree("store")
    return sorted(Path("results").rglob("*.json"))


def spoil(kind: str) -> Path:
    """Put a bad file, of a name with a space and an umlaut, beside the results."""
    path = Path("results", f"{kind} ü.json")
    path.write_bytes(BAD[kind])
    return path


# --------------------------------------------------------------------------------------- unreadable


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("kind", BAD)
def test_a_report_names_a_bad_file_shows_the_rest_and_ends_with_3(shell: Shell, kind: str) -> None:
    whole = shell("report")[1]
    path = spoil(kind)

    code, out, err = shell("report")

    assert (code, out) == (3, whole)
    assert len(err.splitlines()) == 1
    assert err.startswith("Warning: ")
    assert str(path) in err
    assert path.read_bytes() == BAD[kind]


@pytest.mark.usefixtures("sound")
def test_a_comparison_names_a_bad_file_compares_the_rest_and_ends_with_3(shell: Shell) -> None:
    shutil.copytree("results", "before")
    path = spoil("half")

    code, out, err = shell("compare", "before", "results", "--format", "json")

    assert (code, len(json.loads(out)["rows"])) == (3, 1)
    assert f"Warning: result file {path} is not whole JSON" in err


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("arguments", [("report",), ("compare", "results", "results"), ("show", "results/half ü.json")])
def test_where_nothing_can_be_read_the_command_is_refused(shell: Shell, arguments: tuple[str, ...]) -> None:
    Path("results").mkdir()
    path = spoil("half")

    code, out, err = shell(*arguments)

    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert str(path) in err


@pytest.mark.usefixtures("sound")
def test_a_folder_full_of_something_else_does_not_fill_the_screen(shell: Shell) -> None:
    for number in range(50):
        Path("results", f"{number}.json").touch()

    code, _, err = shell("report")

    assert code == 3
    assert len(err.splitlines()) == 11
    assert err.splitlines()[-1] == "Warning: 40 more files cannot be read"


# ---------------------------------------------------------------------------------- twice, and alone


def test_a_trial_in_two_files_counts_once_and_is_said(shell: Shell, sound: list[Path]) -> None:
    whole = shell("report")[1]
    shutil.copytree("results", "results/copy")

    code, out, err = shell("report")

    assert (code, out) == (0, whole)
    assert err.startswith(f"Warning: trials that are there more than once: {len(sound)}, such as in results/copy/")
    assert len(err.splitlines()) == 1


def test_one_seed_is_a_number_without_a_spread(shell: Shell, sound: list[Path]) -> None:
    sound[0].unlink()
    number = read(sound[1])["measures"]["top1"]

    code, out, err = shell("report", "--format", "markdown")

    assert (code, err) == (0, "")
    assert f"{number:.1f} (1)" in out
    assert "nan" not in out.lower()


# ------------------------------------------------------------------------------------------ flagged


@pytest.fixture
def edited(sound: list[Path]) -> Path:
    """Edit a number in one of two files; returns it."""
    found = read(sound[0])
    found["measures"]["top1"] = 99.0
    write(sound[0], found)
    return sound[0]


@pytest.mark.usefixtures("edited")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_report_flags_an_edited_number(shell: Shell, form: str) -> None:
    if form == "html":
        pytest.importorskip("jinja2")

    code, out, _ = shell("report", "--format", form)

    assert code == 0
    assert "flagged" in out or form == "csv"
    assert "edited" in out


@pytest.mark.usefixtures("edited")
def test_every_table_of_trials_has_the_flag_in_its_row(shell: Shell) -> None:
    frame = pd.read_csv(io.StringIO(shell("report", "--format", "csv")[1]))

    assert sorted(frame["flag"].fillna("")) == ["", "edited"]
    assert frame.loc[frame["top1"] == 99.0, "flag"].tolist() == ["edited"]


@pytest.mark.parametrize("flagged", ["before", "results"])
def test_a_comparison_with_an_edited_number_is_no_comparison(shell: Shell, sound: list[Path], flagged: str) -> None:
    shutil.copytree("results", "before")
    for path in Path(flagged).rglob("*.json"):
        found = read(path)
        found["measures"]["top1"] = 99.0
        write(path, found)

    code, out, _ = shell("compare", "before", "results", "--format", "json")

    assert code in {4, 5}
    assert [row["verdict"] for row in json.loads(out)["rows"]] == ["incomparable"]
    assert "edited" in out
    assert len(sound) == 2


def test_a_sheet_and_a_rerun_say_it_too(shell: Shell, edited: Path) -> None:
    assert "FLAGGED: edited" in shell("show", str(edited))[1]
    code, out, err = shell("rerun", str(edited), "--executor", "serial", "--device", "cpu", "--quiet")
    assert code == 1
    assert out.startswith("differs: 99.00 -> ")
    assert "was edited" in err


def test_a_run_writes_what_was_measured_over_what_was_edited(shell: Shell, toys: list[str], edited: Path) -> None:
    code, out, _ = shell("run", *toys, "--executor", "serial", "--device", "cpu", "--json")

    assert code == 0
    assert [trial["flag"] for trial in json.loads(out)["trials"]] == ["", ""]
    assert read(edited)["measures"]["top1"] != 99.0


def test_a_number_edited_with_its_checksum_is_still_held_to_its_key(shell: Shell, sound: list[Path]) -> None:
    found = read(sound[0])
    found["stages"]["evaluate"]["facts"]["evaluator"]["steps"] = 1
    content = {name: value for name, value in found.items() if name != "checksum"}
    write(sound[0], content | {"checksum": digest(content)})

    assert "1 results are flagged: key differs" in " ".join(shell("report")[1].split())
