"""``ddbench report``: tables from result files alone."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Call = Callable[..., Any]


@pytest.fixture
def results(run: Call) -> None:
    """Make results, and delete the store that they came from."""
    assert run().code == 0
    shutil.rmtree("store")


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("rich", ["top-1 in %", "toy-synth", "(2)"]),
        ("markdown", ["| synthesizer | ipc |", "| toy-synth | 2 |"]),
        ("latex", [r"\toprule", "toy-synth & 2 &"]),
        ("csv", ["dataset,teacher,synthesizer", "toy,toy-teacher,toy-synth"]),
    ],
)
def test_every_form_is_made_from_result_files_alone(command: Call, form: str, words: list[str]) -> None:
    ended = command("report", "results", "--format", form)

    assert (ended.code, ended.err) == (0, "")
    assert [word for word in words if word not in ended.out] == []
    assert not Path("store").exists()


def test_the_report_of_a_run_is_the_table_that_the_run_printed(run: Call, command: Call) -> None:
    printed = run().out

    assert printed.startswith(command("report").out)


@pytest.mark.usefixtures("results")
def test_a_report_goes_to_a_file_when_one_is_named(command: Call) -> None:
    ended = command("report", "results", "--format", "csv", "-o", "new/table.csv")

    assert (ended.code, ended.out) == (0, "")
    assert len(pd.read_csv("new/table.csv")) == 2


@pytest.mark.usefixtures("results")
def test_a_file_that_cannot_be_written_is_named(command: Call) -> None:
    Path("file").touch()

    ended = command("report", "results", "-o", "file/table.md")

    said = "Error: file/table.md cannot be written: File exists; mend that and run again\n"
    assert (ended.code, ended.err) == (2, said)


@pytest.mark.usefixtures("toys")
def test_an_empty_folder_ends_with_4(command: Call) -> None:
    Path("results").mkdir()

    ended = command("report")

    assert (ended.code, ended.out) == (4, "")
    assert len(ended.err.splitlines()) == 1


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize("content", ["{", '{"schema": 99}', "[]"])
def test_a_file_that_is_no_result_is_named_in_one_line(command: Call, content: str) -> None:
    Path("results", "stray.json").write_text(content)

    ended = command("report")

    assert ended.code == 3
    assert len(ended.err.splitlines()) == 1
    assert "results/stray.json" in ended.err


@pytest.mark.usefixtures("results")
def test_an_edited_result_is_flagged(command: Call) -> None:
    file = next(Path("results").rglob("*.json"))
    file.write_text(file.read_text().replace('"steps": 15', '"steps": 16'))

    assert "1 results are flagged" in command("report").out
    frame = pd.read_csv(io.StringIO(command("report", "--format", "csv").out))
    assert sorted(frame["flag"].fillna("")) == ["", "key differs"]


PAPER = """
[[reported]]
synth = "toy-synth"
eval = "toy-net"
ipc = 2
top1 = 37.5
std = 0.5
source = "a paper, Table 1"

[[reported]]
method = "MTT"
eval = "toy-net"
ipc = 2
top1 = 65.3
source = "another paper"
unreliable = "printed twice"
"""


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize("form", ["rich", "markdown", "latex", "csv"])
def test_a_benchmark_file_adds_published_numbers_those_that_nobody_measured_too(command: Call, form: str) -> None:
    Path("paper.toml").write_text(PAPER)

    ended = command("report", "results", "--benchmark", "paper.toml", "--format", form)

    assert (ended.code, ended.err) == (0, "")
    assert [word for word in ("37.5", "MTT", "65.3", "another paper", "printed twice") if word not in ended.out] == []
    assert "37.5" not in command("report", "results", "--format", form).out


@pytest.mark.usefixtures("results")
def test_a_csv_with_published_numbers_has_a_row_for_each_trial_and_each_number_without_one(command: Call) -> None:
    Path("paper.toml").write_text(PAPER)

    frame = pd.read_csv(io.StringIO(command("report", "--benchmark", "paper.toml", "--format", "csv").out))

    assert frame["status"].tolist() == ["done", "done", "reported"]
    assert frame["reported"].tolist() == [37.5, 37.5, 65.3]
    assert frame["synthesizer"].tolist() == ["toy-synth", "toy-synth", "MTT"]
    assert frame["reported_unreliable"].fillna("").tolist() == ["", "", "printed twice"]
    assert frame.loc[2, ["top1", "evaluation_seed", "key"]].isna().all()


@pytest.mark.usefixtures("results")
def test_a_benchmark_file_that_cannot_be_read_is_named_in_one_line(command: Call) -> None:
    Path("paper.toml").write_text(PAPER.replace("top1 = 37.5", "tpo1 = 37.5"))

    ended = command("report", "results", "--benchmark", "paper.toml")

    assert ended.code == 2
    assert ended.err == (
        "Error: benchmark file paper.toml: 'reported': table 1: unknown key 'tpo1'; did you mean 'top1'?\n"
    )


@pytest.mark.usefixtures("results")
def test_several_sources_are_one_report_and_a_trial_is_counted_once(command: Call) -> None:
    assert command("export", "results", "-o", "all.csv").code == 0
    shutil.copytree("results", "more")
    file = next(Path("more").rglob("*.json"))
    file.write_text(file.read_text().replace("toy-synth", "toy-other"))

    ended = command("report", "all.csv", "more")

    assert ended.code == 0
    assert "(2)" in ended.out
    assert "toy-other" in ended.out
    assert "there more than once" in ended.err


def test_html_writes_a_page_with_the_images_of_the_store(run: Call, command: Call) -> None:
    pytest.importorskip("matplotlib")
    assert run().code == 0

    ended = command("report", "results", "--html", "report.html")

    assert (ended.code, ended.out, ended.err) == (0, "", "")
    page = Path("report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.count("data:image/png") == 3, "one picture for each class of the toys"
    assert page == command("report", "results", "--format", "html").out


@pytest.mark.usefixtures("results")
def test_a_page_says_which_images_are_not_at_hand(command: Call) -> None:
    pytest.importorskip("matplotlib")

    page = command("report", "--format", "html").out

    assert "store: the images of toy-synth." in page
    assert "data:image/png" not in page


def test_damaged_images_are_left_out_with_a_warning(run: Call, command: Call) -> None:
    pytest.importorskip("matplotlib")
    assert run().code == 0
    for file in Path("store", "synthesize").rglob("*.safetensors"):
        file.write_bytes(b"nothing")

    ended = command("report", "results", "--html", "report.html")

    assert ended.code == 0
    assert "does not match its checksum; 'ddbench cache verify' removes it" in ended.err
    assert "the images of toy-synth" in Path("report.html").read_text()


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize("options", [["--format", "latex"], ["--output", "other.html"]])
def test_html_and_what_it_is_short_for_may_not_disagree(command: Call, options: list[str]) -> None:
    ended = command("report", "results", "--html", "report.html", *options)

    assert ended.code == 2
    assert ended.err == ("Error: --html FILE is short for --format html --output FILE: leave out what it says\n")
    assert not Path("report.html").exists()


@pytest.mark.usefixtures("results")
def test_a_page_without_matplotlib_names_what_to_install(command: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddbench_reporters.figure.find_spec", lambda _: None)

    ended = command("report", "results", "--html", "report.html")

    assert (ended.code, ended.err) == (2, "Error: figures need matplotlib: pip install 'ddbench[figures]'\n")


@pytest.mark.usefixtures("results")
def test_what_cannot_be_read_is_told_and_the_rest_is_shown(command: Call) -> None:
    Path("results", "half.json").write_text('{"schema": 1')

    ended = command("report", "results")

    assert ended.code == 3
    assert "toy-synth" in ended.out
    assert "results/half.json" in ended.err


def test_a_page_goes_on_without_images_that_may_not_be_read(
    run: Call, command: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jinja2")
    run()
    whole = Path.open

    def denied(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.suffix == ".safetensors":
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", denied)
    ended = command("report", "--html", "page.html")
    assert ended.code == 0
    assert "cannot be read: Permission denied; mend that" in ended.err
    assert Path("page.html").exists()
