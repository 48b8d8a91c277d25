"""Results that somebody else has written: what they hold commands no terminal, leads nowhere, and fills no memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ddbench.keys import digest
from ddbench.results import read, write

Shell = Callable[..., tuple[int, str, str]]

ESCAPE = "\x1b]0;owned\x07\x1b[2J"


@pytest.fixture
def sound(shell: Shell, toys: list[str]) -> Path:
    """Make results; returns one of their files."""
    assert shell("run", *toys, "--executor", "serial", "--device", "cpu")[0] == 0
    return min(Path("results").rglob("*.json"))


def edited(path: Path, **parts: Any) -> None:
    """Write a result file with other parts, its checksum right."""
    found = {name: value for name, value in {**read(path), **parts}.items() if name != "checksum"}
    write(path, {**found, "checksum": digest(found)})


@pytest.mark.parametrize("form", ["rich", "markdown", "latex"])
def test_errors_and_sources_of_numbers_command_no_terminal(shell: Shell, sound: Path, form: str) -> None:
    published = {"top1": 50.0, "source": f"a paper{ESCAPE}", "unreliable": f"because{ESCAPE}"}
    edited(sound, status="failed", error=f"ValueError: {ESCAPE}", reported=published)

    code, out, _ = shell("report", "--format", form)

    assert code == 0
    assert "ValueError: ?]0;owned" in " ".join(out.replace("{]}", "]").split())
    assert "\x1b" not in out
    assert "\x07" not in out


def test_a_sheet_shows_settings_and_versions_without_what_commands_a_terminal(shell: Shell, sound: Path) -> None:
    found = read(sound)
    found["stages"]["evaluate"]["facts"]["evaluator"][f"steps{ESCAPE}"] = ESCAPE
    edited(sound, stages=found["stages"], environment={"cpu": ESCAPE, "versions": {ESCAPE: ESCAPE}})

    code, out, _ = shell("show", str(sound))

    assert code == 0
    assert "?]0;owned" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("command", [("report",), ("report", "--format", "markdown"), ("compare", "all.csv")])
def test_an_export_commands_no_terminal(shell: Shell, sound: Path, command: tuple[str, ...]) -> None:
    assert sound.is_file()
    assert shell("export", "-o", "all.csv")[0] == 0
    table = pd.read_csv("all.csv")
    table.assign(synthesizer=f"dwa{ESCAPE}").to_csv("all.csv", index=False)

    _, out, err = shell(*command, "all.csv")

    assert "dwa?]0;owned" in out
    assert "\x1b" not in out + err


def test_the_name_of_a_file_neither_commands_a_terminal_nor_adds_a_line(shell: Shell, sound: Path) -> None:
    path = sound.with_name(f"{ESCAPE}\nWarning: all is well.json")
    path.write_text("{")

    code, _, err = shell("report")

    assert code == 3
    assert len(err.splitlines()) == 1
    assert "\x1b" not in err
    code, _, err = shell("show", str(path))
    assert (code, len(err.splitlines())) == (2, 1)
    assert "\x1b" not in err


def test_a_key_that_would_lead_out_of_the_store_is_no_key(shell: Shell, sound: Path) -> None:
    shutil.copytree("store/synthesize", "elsewhere")
    stages = read(sound)["stages"]
    [key] = stages["synthesize"]["keys"][:1]
    stages["synthesize"]["keys"][0] = str(Path("elsewhere", key[:2], key).absolute())
    edited(sound, stages=stages)

    code, _, err = shell("report")

    assert code == 3
    assert f"{sound} is damaged: stages.synthesize.keys.0: is no key" in err


@pytest.mark.parametrize("begins", ['{"schema": ', '{"trials": ', ""])
def test_json_that_is_nested_too_deeply_is_one_line(shell: Shell, toys: list[str], begins: str) -> None:
    assert toys
    Path("deep.json").write_text(begins + "[" * 100_000)

    code, out, err = shell("report", "deep.json")

    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "deep.json" in err


@pytest.mark.parametrize(
    ("column", "value"),
    [("top1", "abc"), ("ipc", "ten"), ("ipc", "1.5"), ("ipc", "1e400"), ("evaluation_seed", "x")],
)
@pytest.mark.parametrize("command", ["report", "compare"])
def test_an_export_with_words_for_numbers_is_one_line(
    shell: Shell, sound: Path, command: str, column: str, value: str
) -> None:
    assert sound.is_file()
    assert shell("export", "-o", "all.csv")[0] == 0
    pd.read_csv("all.csv", dtype=str).assign(**{column: value}).to_csv("all.csv", index=False)

    code, out, err = shell(command, *["all.csv"] * (2 if command == "compare" else 1))

    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "all.csv is not a file of trials" in err


@pytest.mark.parametrize("column", ["ipc", "evaluation_seed"])
def test_a_report_of_trials_that_do_not_say_what_they_are_is_one_line(shell: Shell, sound: Path, column: str) -> None:
    assert sound.is_file()
    assert shell("export", "-o", "all.csv")[0] == 0
    pd.read_csv("all.csv", dtype=str).assign(**{column: ""}).to_csv("all.csv", index=False)

    code, out, err = shell("report", "all.csv")

    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert f"a trial without '{column}'" in err


@pytest.mark.parametrize("value", [{"a": 1}, ["a"]])
def test_an_export_with_something_else_than_texts_and_numbers_is_one_line(
    shell: Shell, sound: Path, value: object
) -> None:
    assert sound.is_file()
    assert shell("export", "-o", "all.json")[0] == 0
    rows = json.loads(Path("all.json").read_text())
    Path("all.json").write_text(json.dumps([{**row, "synthesizer": value} for row in rows]))

    code, out, err = shell("report", "all.json")

    assert (code, out, len(err.splitlines())) == (2, "", 1)


def test_a_small_file_of_many_rows_is_not_read(shell: Shell, toys: list[str]) -> None:
    assert toys
    part = pa.table({"top1": pa.array(np.zeros(10**6))})
    with pq.ParquetWriter("all.parquet", part.schema) as file:
        for _ in range(11):
            file.write_table(part)

    code, out, err = shell("report", "all.parquet")

    assert (code, out) == (2, "")
    assert err == "Error: all.parquet claims 11000000 rows: no export of ddbench has so many\n"
