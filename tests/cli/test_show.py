"""``ddbench show``: one result on a sheet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ddbench.cli.sheet import sparkline
from ddbench.results import read, write

Call = Callable[..., Any]


@pytest.fixture
def file(run: Call) -> Path:
    """Make one result; returns its file."""
    assert run("--seeds", "0", "--synth", "toy-synth[noise=2.0]").code == 0
    [path] = Path("results").rglob("*.json")
    return path


def test_a_result_shows_what_it_is_of_where_it_was_made_and_that_its_keys_recompute(command: Call, file: Path) -> None:
    ended, found = command("show", str(file)), read(file)

    assert (ended.code, ended.err) == (0, "")
    words = [
        "toy-synth[noise=2.0]",
        f"{found['measures']['top1']:.2f} %",
        f"sha256 of its weights {found['made']['squeeze']['sha256']}",
        "toy-net, version 1, of ddbench-toys 1.0",
        "*noise 2.0",
        "* neither the default nor the recipe's",
        f"torch {found['environment']['versions']['torch']}",
        "1 thread",
        found["stages"]["evaluate"]["facts"]["data"]["fingerprint"][:12],
    ]
    text = " ".join(ended.out.split())
    assert [word for word in words if word not in text] == []
    assert ended.out.count("recomputes") == 4
    assert "FLAGGED" not in ended.out
    assert not [line for line in ended.out.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("width", [60, 100])
def test_a_sheet_fits_the_terminal(command: Call, file: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))

    assert max(map(len, command("show", str(file)).out.splitlines())) <= width


def test_a_result_is_found_by_the_beginning_of_its_key(command: Call, file: Path) -> None:
    key = read(file)["key"]

    for beginning in (key[:4], key[:12], key):
        assert command("show", beginning).out == command("show", str(file)).out
    file.parent.parent.parent.rename("elsewhere")
    assert command("show", key[:8], "--results", "elsewhere").code == 0


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("0000", "no result under results has a key that begins with 0000"),
        ("results", "results is a folder: name one result file in it, or a key; 'ddbench report' shows folders"),
        ("nowhere.json", "result file nowhere.json cannot be read: No such file or directory"),
    ],
)
@pytest.mark.usefixtures("file")
def test_what_names_no_result_is_said_in_one_line(command: Call, named: str, said: str) -> None:
    ended = command("show", named)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"Error: {said}")
    assert len(ended.err.splitlines()) == 1


def test_a_key_of_several_files_is_said_with_their_names(command: Call, file: Path) -> None:
    copy = file.with_name(f"copy-{file.name}")
    copy.write_bytes(file.read_bytes())

    ended = command("show", read(file)["key"][:8])

    assert ended.code == 2
    assert str(file) in ended.err
    assert str(copy) in ended.err


def test_an_edited_setting_is_flagged_in_red_words_at_the_top_and_at_its_key(command: Call, file: Path) -> None:
    found = read(file)
    found["stages"]["evaluate"]["facts"]["evaluator"]["steps"] += 1
    write(file, found)

    ended = command("show", str(file))

    assert "FLAGGED: key differs" in ended.out.partition("trial")[0]
    assert ended.out.count("DIFFERS") == 1
    assert ended.out.count("recomputes") == 3


def test_an_edited_number_is_flagged_by_the_checksum(command: Call, file: Path) -> None:
    found = read(file)
    found["measures"]["top1"] = 99.0
    write(file, found)

    out = command("show", str(file)).out

    assert "FLAGGED: edited" in out
    assert out.count("recomputes") == 4
    assert "checksum" in next(line for line in out.splitlines() if "DIFFERS" in line)


def test_json_is_the_document_with_its_flag_and_whether_its_keys_recompute(command: Call, file: Path) -> None:
    document = command("show", str(file), "--json").document

    assert document == {
        "file": str(file),
        "flag": "",
        "recomputes": dict.fromkeys(("squeeze", "synthesize", "relabel", "evaluate"), True),
        "result": read(file),
    }


def test_no_path_of_this_machine_gets_into_a_result_with_the_command(
    run: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "alice")
    place = tmp_path / "alice"

    assert run("--seeds", "0", "--store", str(place / "store"), "--out", "runs/alice/out").code == 0

    [path] = Path("runs").rglob("*.json")
    command = read(path)["made"]["evaluate"]["command"]
    assert command.startswith("ddbench run --synth toy-synth --eval toy-net ")
    assert command.endswith(" --executor serial --seeds 0 --store store --out runs/.../out")
    assert str(tmp_path) not in path.read_text()
    assert "alice" not in path.read_text()


def test_a_published_number_stands_beside_the_measured_one(command: Call, run: Call) -> None:
    Path("paper.toml").write_text(
        '[[reported]]\nsynth = "toy-synth"\neval = "toy-net"\nipc = 2\ntop1 = 37.5\nstd = 0.5\nsource = "a paper"\n'
    )
    assert run("paper.toml", "--seeds", "0").code == 0
    [path] = Path("results").rglob("*.json")
    apart = read(path)["measures"]["top1"] - 37.5

    assert f"37.5 ± 0.5 %, measured {apart:+.2f}; a paper" in command("show", str(path)).out


def test_a_failed_trial_shows_why_and_no_number(command: Call, run: Call) -> None:
    assert run("--seeds", "0", "--teacher", "toy-teacher[steps=1]", "--teacher-floor", "100").code == 3
    [path] = Path("results").rglob("*.json")

    out = command("show", str(path)).out

    assert "under the floor of 100.0 %" in " ".join(out.split())
    assert "top-1 in" not in out


def test_a_file_from_before_all_this_was_recorded_is_shown_as_far_as_it_goes(command: Call, file: Path) -> None:
    found = read(file)
    for name in ("made", "sources", "benchmark", "reports", "traceback"):
        del found[name]
    found["environment"] = None
    file.write_text(json.dumps(found))

    ended = command("show", str(file))

    assert ended.code == 0
    assert "toy-net, version 1" in " ".join(ended.out.split())


def test_a_sparkline_begins_and_ends_where_the_numbers_do_and_spans_their_range() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([3.0]) == "▁"
    assert sparkline([2.0, 2.0]) == "▁▁"
    long = sparkline(list(range(1000)))
    assert (len(long), long[0], long[-1]) == (16, "▁", "█")
