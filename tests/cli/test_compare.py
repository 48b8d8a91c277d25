"""``ddbench compare``: tables that parse, exit codes, and one line for each mistake."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

Call = Callable[..., Any]

CELL = ("dataset", "teacher", "synthesizer", "ipc", "labeler", "evaluator", "architecture")
LONG = "random-perturbation[perturbation=none,rho=0.02]"
NASTY = "a|b <c> `d` *e* \x1b[31m &\nnext line"


def rows(values: list[float], **columns: Any) -> list[dict[str, Any]]:
    """Return trials of one cell, a seed each."""
    return [
        dict(zip(CELL, ("digits", "convnet", "dwa", 10, "online", "standard", "resnet50"), strict=True))
        | {"synthesis_seed": 0, "evaluation_seed": seed, "key": f"{seed}", "status": "done", "flag": "", "error": ""}
        | {"top1": value, "loss": 1.0, "evaluate_seconds": 10.0, "device": "cpu", "settings": "{}"}
        | columns
        for seed, value in enumerate(values)
    ]


BASE = [60.0, 61.5, 59.2]
WORSE = [58.0, 59.4, 57.3]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def save(name: str, *cells: list[dict[str, Any]]) -> str:
    Path(name).write_text(json.dumps([row for cell in cells for row in cell]))
    return name


@pytest.fixture
def sides() -> tuple[str, str]:
    """Write a comparison that has every verdict."""
    failed = {"status": "failed", "top1": None, "error": NASTY}
    base = [
        rows(BASE, synthesizer="worse"),
        rows(BASE, synthesizer="better"),
        rows(BASE, synthesizer="same"),
        rows(BASE[:1], synthesizer="underpowered"),
        rows(BASE, synthesizer=LONG),
        rows(BASE, synthesizer="other", settings='{"precision":"float32"}'),
    ]
    head = [
        rows(WORSE, synthesizer="worse"),
        rows([62.0, 63.4, 61.3], synthesizer="better"),
        rows(BASE, synthesizer="same"),
        rows(WORSE[:1], synthesizer="underpowered"),
        rows(BASE, synthesizer=LONG, **failed),
        rows(BASE, synthesizer="other", settings='{"precision":"bfloat16"}'),
        rows(BASE, synthesizer="new"),
    ]
    return save("base.json", *base), save("head.json", *head)


VERDICTS = {
    "worse": "WORSE", LONG: "missing", "other": "incomparable", "underpowered": "underpowered", "new": "new",
    "better": "better", "same": "same",
}  # fmt: skip


# ------------------------------------------------------------------------------------------------- forms


def test_json_holds_every_row_and_how_it_ended(command: Call, sides: tuple[str, str]) -> None:
    ended = command("compare", *sides, "--json")

    document = ended.document
    assert (ended.code, document["exit_code"]) == (1, 1)
    assert {row["synthesizer"]: row["verdict"] for row in document["rows"]} == VERDICTS
    worse = document["rows"][0]
    assert (worse["base_n"], worse["method"], worse["n_counts"], worse["fails"]) == (3, "paired", "trainings", True)
    assert worse["difference"] == pytest.approx(-2.0)
    assert worse["low"] < -2.0 < worse["high"] < 0
    assert document["rows"][1]["difference"] is None
    assert ended.err.startswith("fails: 1 WORSE, 1 missing, 1 incomparable, 1 underpowered, 1 new, 1 better, 1 same")
    assert "NaN" not in ended.out


def test_csv_has_a_line_a_row(command: Call, sides: tuple[str, str]) -> None:
    ended = command("compare", *sides, "--format", "csv")

    found = list(csv.DictReader(io.StringIO(ended.out)))
    assert {row["synthesizer"]: row["verdict"] for row in found} == VERDICTS
    assert float(found[0]["difference"]) == pytest.approx(-2.0)
    assert found[1]["difference"] == ""
    assert found[1]["notes"].startswith("3 of 3 trials failed: a|b")


def test_junit_has_a_case_a_row(command: Call, sides: tuple[str, str]) -> None:
    ended = command("compare", *sides, "--format", "junit", "-o", "report.xml")

    root = ET.parse("report.xml").getroot()  # noqa: S314 - the file is our own
    suite = root[0]
    told = {case.get("name", "").partition(", ipc")[0]: [part.tag for part in case] for case in suite}
    assert (root.tag, suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("testsuites", "7", "3", "2")
    assert {name for name, tags in told.items() if "failure" in tags} == {"worse", LONG, "other"}
    assert {name for name, tags in told.items() if "skipped" in tags} == {"underpowered", "new"}
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "WORSE"
    assert "60.23 ± 1.17 (3) -> 58.23 ± 1.07 (3), difference -2.00" in (failure.get("message") or "")
    assert (ended.code, ended.out) == (1, "")


def test_junit_is_red_where_nothing_was_comparable(command: Call) -> None:
    base = save("base.json", rows(BASE))
    head = save("head.json", rows(BASE, synthesizer="new", calibration_error=0.1))

    for sides, options in (((head, base), []), ((base, base), ["--fail-on", "prepare_seconds:+1%"])):
        ended = command("compare", *sides, "--format", "junit", *options)
        suite = ET.fromstring(ended.out)[0]  # noqa: S314 - the text is our own
        assert ended.code == 4
        assert int(suite.get("failures", 0)) == len(suite.findall("testcase/failure")) > 0
        assert int(suite.get("tests", 0)) == len(suite.findall("testcase"))


def test_what_became_worse_without_a_rule_on_it_is_not_called_no_regression(command: Call) -> None:
    sides = save("base.json", rows(BASE)), save("head.json", rows(BASE, loss=2.0))

    ended = command("compare", *sides, "--metric", "loss")

    assert (ended.code, ended.out.splitlines()[-1]) == (0, "passes, for no rule is on what became worse: 1 WORSE")


def test_markdown_is_a_table_with_the_summary_first_and_what_failed_on_top(
    command: Call, sides: tuple[str, str]
) -> None:
    lines = command("compare", *sides, "--format", "markdown").out.splitlines()

    table = [line for line in lines if line.startswith("|")]
    unescaped = [line.replace("\\|", "") for line in table]
    assert lines[0].startswith("**fails: 1 WORSE, 1 missing")
    assert {line.count("|") for line in unescaped} == {8}
    assert len(table) == 2 + len(VERDICTS)
    assert table[2].startswith("| **WORSE** | worse, ipc 10, resnet50 | 60.23 ± 1.17 (3) | 58.23 ± 1.07 (3) | -2.00 |")
    assert "a\\|b &lt;c> \\`d\\` \\*e\\*" in table[3]


@pytest.mark.parametrize("width", ["60", "80", "100", "120"])
def test_the_table_fits_the_terminal(
    command: Call, sides: tuple[str, str], width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)

    lines = command("compare", *sides, "--metric", "top1,evaluate_seconds").out.splitlines()

    assert max(map(len, lines)) <= int(width)
    text = " ".join(lines)
    assert [word for word in (*VERDICTS, *VERDICTS.values()) if word != LONG and word not in text] == []
    assert "random-perturbation" in text
    assert "fails: 1 WORSE" in " ".join(lines[-2:])


def test_only_what_changed_is_shown_on_demand_and_all_of_it_counts(command: Call, sides: tuple[str, str]) -> None:
    document = command("compare", *sides, "--json", "--only-changed").document

    assert {row["synthesizer"] for row in document["rows"]} == VERDICTS.keys() - {"same"}
    assert document["counts"]["same"] == 1


def test_where_nothing_changed_only_the_summary_is_shown(command: Call) -> None:
    side = save("base.json", rows(BASE))

    for form in ("rich", "markdown"):
        ended = command("compare", side, side, "--only-changed", "--format", form)
        assert (ended.code, "no regression: 1 same" in ended.out, "±" in ended.out) == (0, True, False)


def test_a_table_may_go_to_a_file_and_the_document_to_stdout(command: Call, sides: tuple[str, str]) -> None:
    ended = command("compare", *sides, "--format", "markdown", "--output", "comment.md", "--json")

    assert ended.document["exit_code"] == 1
    assert Path("comment.md").read_text().startswith("**fails")


# --------------------------------------------------------------------------------------------- exit codes


@pytest.mark.parametrize(
    ("head", "options", "code"),
    [
        (rows(BASE), [], 0),
        (rows(WORSE), [], 1),
        (rows(WORSE), ["--fail-on", "top1:-2.5"], 0),
        (rows(WORSE), ["--fail-on", "top1:-1.0", "--fail-on", "train_seconds:+20%"], 1),
        (rows(BASE, evaluate_seconds=15.0), ["--fail-on", "top1:-1.0", "--fail-on", "train_seconds:+20%"], 1),
        (rows(BASE, evaluate_seconds=15.0), ["--fail-on", "top1:-1.0"], 0),
        (rows(BASE, device="gpu"), ["--fail-on", "train_seconds:+20%"], 5),
        (rows(BASE) + rows(BASE, ipc=50), ["--fail-on", "new"], 1),
        (rows(BASE, settings='{"precision":"bfloat16"}'), [], 5),
        (rows(BASE, status="failed", top1=None), [], 3),
        (rows(BASE, dataset="cifar10"), [], 4),
        (rows(BASE), ["--fail-on", "prepare_seconds:+1%"], 4),
    ],
)
def test_exit_codes(command: Call, head: list[dict[str, Any]], options: list[str], code: int) -> None:
    assert command("compare", save("base.json", rows(BASE)), save("head.json", head), *options).code == code


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--metric", "topp1"], "'topp1' is no column of numbers; did you mean 'top1'?"),
        (["--metric", "device"], "'device' is no column of numbers"),
        (["--fail-on", "top1:+1"], "write 'top1:-1'"),
        (["--json", "--format", "markdown"], "--output"),
        (["--format", "html"], "'html' is not one of"),
        (["-o", "base.json/table.md"], "base.json/table.md cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_ends_with_2(command: Call, options: list[str], words: str) -> None:
    side = save("base.json", rows(BASE))

    ended = command("compare", side, side, *options)

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert words in ended.err


def test_a_folder_that_is_not_there_ends_with_2_and_one_without_results_with_4(command: Call) -> None:
    side = save("base.json", rows(BASE))
    Path("empty").mkdir()

    assert command("compare", side, "nowhere").code == 2
    for sides in ((side, "empty"), ("empty", side)):
        ended = command("compare", *sides)
        assert (ended.code, ended.out, len(ended.err.splitlines())) == (4, "", 1)


# ---------------------------------------------------------------------------------------- results of runs


def test_a_run_is_the_same_as_itself_in_every_form_of_results(run: Call, command: Call) -> None:
    document = run("--json", "--seeds", "0-2").out
    Path("printed.json").write_text(document)

    for head in ("results", "printed.json"):
        ended = command("compare", "results", head, "--fail-on", "top1:-1,underpowered")
        assert (ended.code, ended.out.splitlines()[-1]) == (0, "no regression: 1 same")


@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
def test_one_result_is_the_very_same_as_its_export(run: Call, command: Call, form: str) -> None:
    run("--seeds", "0")
    assert command("export", "results", "-o", f"all.{form}").code == 0

    ended = command("compare", "results", f"all.{form}", "--fail-on", "top1:-1,underpowered")

    assert (ended.code, ended.out.splitlines()[-1]) == (0, "no regression: 1 same")


def test_an_edited_result_is_told(run: Call, command: Call) -> None:
    run()
    shutil.copytree("results", "edited")
    file = next(Path("edited").rglob("*.json"))
    file.write_text(file.read_text().replace('"steps": 15', '"steps": 16'))

    ended = command("compare", "results", "edited")

    assert ended.code == 5
    assert "HEAD: 1 of 2 results flagged: key differs" in ended.out


def test_a_file_that_cannot_be_read_is_no_pass(run: Call, command: Call) -> None:
    run()
    shutil.copytree("results", "head")
    Path("head", "half.json").write_text("{")

    ended = command("compare", "results", "head")

    assert ended.code == 3
    assert "head/half.json" in ended.err
    assert ended.out.splitlines()[-1] == "fails: something is missing: 1 same (exit code 3)"
    assert command("compare", "results", "head", "--json").document["exit_code"] == 3
    assert '<failure type="comparison"' in command("compare", "results", "head", "--format", "junit").out
