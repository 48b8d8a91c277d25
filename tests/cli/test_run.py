"""``ddbench run`` and ``plan``: exit codes, what goes to stdout, and what is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ddbench.cli.run import to_toml

LISTENER = """
from ddbench import hookimpl


@hookimpl
def ddbench_event(event):
    if event.name == "stage-finished":
        raise KeyboardInterrupt
"""

Call = Callable[..., Any]


def written(folder: Path) -> list[Path]:
    """Return what commands wrote; the plugins of the test lie in ``site``."""
    return sorted(path for path in folder.rglob("*") if "site" not in path.relative_to(folder).parts)


def test_a_run_that_succeeds_ends_with_0_and_prints_the_table_and_where_the_files_lie(run: Call) -> None:
    ended = run()

    assert ended.code == 0
    assert "toy-synth" in ended.out
    assert ended.out.endswith("2 result files in results/\n")
    assert len(list(Path("results").rglob("*.json"))) == 2


def test_parameters_of_a_sweep_can_be_told_apart_in_table_and_plan(run: Call) -> None:
    sweep = ("--synth", "toy-synth[noise=1.0],toy-synth[noise=2.0]")

    for ended in (run(*sweep, "--quiet"), run(*sweep, "--dry-run")):
        assert "toy-synth[noise=1.0]" in ended.out
        assert "toy-synth[noise=2.0]" in ended.out


def test_a_failed_cell_ends_the_run_with_3_and_stands_in_the_table(run: Call) -> None:
    ended = run("--synth", "toy-synth[fail_at=1],toy-synth")

    assert ended.code == 3
    assert "2 failed" in ended.out
    assert "failed: RuntimeError: told to fail at index 1" in " ".join(ended.out.split())
    assert "Traceback" not in ended.err


def test_an_interrupt_ends_with_130_and_keeps_what_was_done(run: Call, install: Call, command: Call) -> None:
    install("hand", "hand_on_ctrl_c", LISTENER)

    ended = run()

    assert ended.code == 130
    assert ended.err.splitlines()[-1] == ("Interrupted; what was done is kept, the same command goes on from here.")
    assert command("cache", "size", "--json").document["kinds"]["squeeze"]["artifacts"] == 1


def test_json_is_the_only_thing_on_stdout(run: Call) -> None:
    ended = run("--json")

    assert ended.code == 0
    assert [(row["status"], row["evaluation_seed"]) for row in ended.document["trials"]] == [("done", 0), ("done", 1)]
    assert "6 to compute" in ended.err


def test_json_tells_failures_as_null_numbers_and_an_error(run: Call) -> None:
    rows = run("--json", "--synth", "toy-synth[fail_at=0]").document["trials"]

    assert {(row["status"], row["top1"], row["error"]) for row in rows} == {
        ("failed", None, "RuntimeError: told to fail at index 0")
    }


def test_quiet_tells_nothing_but_the_table(run: Call) -> None:
    ended = run("--quiet")

    assert ended.err == ""
    assert "toy-synth" in ended.out


def test_quiet_still_tells_failures(run: Call) -> None:
    ended = run("--quiet", "--synth", "toy-synth[fail_at=0]")

    assert ended.err.splitlines() == [
        "failed: toy-synth[fail_at=0] seed 0, image 1 of each class: RuntimeError: told to fail at index 0"
    ]


def test_in_a_pipe_each_stage_is_one_line_on_stderr(run: Call) -> None:
    lines = run().err.splitlines()

    assert lines[0] == "6 stages: 0 reused, 6 to compute"
    assert [line.partition(" ")[0] for line in lines[1:]] == [f"[{number}/6]" for number in range(1, 7)]
    assert run().err.splitlines() == ["6 stages: 6 reused, 0 to compute"]


def test_a_plan_tells_what_a_run_then_computes_and_writes_nothing(run: Call, command: Call, toys: list[str]) -> None:
    before = written(Path.cwd())

    planned = command("plan", *toys, "--json")

    assert planned.code == 0
    assert written(Path.cwd()) == before
    rows = planned.document["stages"]
    assert {row["status"] for row in rows} == {"missing"}
    assert [row["kind"] for row in rows].count("synthesize") == 2
    run()
    stored = {folder.name for folder in Path("store").glob("*/??/*")}
    assert stored == {row["key"] for row in rows}
    again = command("plan", *toys, "--json").document
    assert {row["status"] for row in again["stages"]} == {"reused"}
    assert all(row["bytes"] > 0 for row in again["stages"])
    assert [trial["evaluate"] for trial in again["trials"]] == [row["key"] for row in rows if row["kind"] == "evaluate"]


def test_a_dry_run_says_what_plan_says(run: Call, command: Call, toys: list[str]) -> None:
    assert run("--dry-run").out == command("plan", *toys).out
    assert run("--dry-run", "--json").out == command("plan", *toys, "--json").out
    assert not Path("store").exists()


def test_the_printed_configuration_runs_again_as_it_is(run: Call, command: Call) -> None:
    printed = run("--print-config", "--synth", "toy-synth[noise=2.5],toy-joint", "--ipc", "1,3")
    Path("grid.toml").write_text(printed.out)

    assert printed.code == 0
    assert command("run", "grid.toml", "--print-config").out == printed.out
    rows = command("run", "grid.toml", "--executor", "serial", "--json").document["trials"]
    assert {(row["synthesizer"], row["ipc"]) for row in rows} == {
        (synthesizer, ipc) for synthesizer in ("toy-synth[noise=2.5]", "toy-joint") for ipc in (1, 3)
    }


def test_reported_numbers_of_a_benchmark_file_stand_beside_the_measured_and_survive_printing(
    run: Call, command: Call
) -> None:
    reported = '[[reported]]\nsynth = "toy-synth"\neval = "toy-net"\nipc = 2\ntop1 = 65.7\nsource = "Table 1"\n'
    Path("grid.toml").write_text(reported)

    assert reported in run("grid.toml", "--print-config").out
    rows = run("grid.toml", "--json").document["trials"]
    assert {(row["reported"], row["reported_source"]) for row in rows} == {(65.7, "Table 1")}


def test_grids_run_as_their_union_survive_printing_and_yield_to_options(run: Call, command: Call) -> None:
    Path("table.toml").write_text("""
dataset = "toy"
eval = "toy-net"
teacher = "toy-teacher"
labels = "toy-labels"
evaluator = "toy-exam"
seeds = 0

[[grid]]
synth = "toy-synth"
ipc = "1-2"

[[grid]]
synth = "toy-synth,toy-joint"
ipc = 2
""")
    printed = command("run", "table.toml", "--print-config").out
    Path("printed.toml").write_text(printed)

    assert printed.count("[[grid]]") == 2
    for file in ("table.toml", "printed.toml"):
        rows = command("run", file, "--executor", "serial", "--json").document["trials"]
        assert [(row["synthesizer"], row["ipc"]) for row in rows] == [
            ("toy-synth", 1), ("toy-synth", 2), ("toy-joint", 2),
        ]  # fmt: skip
    rows = command("run", "table.toml", "--ipc", "3", "--executor", "serial", "--json").document["trials"]
    assert [(row["synthesizer"], row["ipc"]) for row in rows] == [("toy-synth", 3), ("toy-joint", 3)]


def test_a_flag_overrides_the_file_and_the_file_overrides_the_default(run: Call, command: Call) -> None:
    Path("grid.toml").write_text('seeds = "5-6"\nipc = 7\n')

    printed = command("run", "grid.toml", "--ipc", "1", "--print-config").out

    assert "ipc = [1]" in printed
    assert "seeds = [5, 6]" in printed
    assert 'dataset = ["digits"]' in printed


@pytest.mark.parametrize("text", ["plain", 'with "quotes"', "back\\slash", "ü ± 百"])
def test_text_survives_the_printed_configuration(text: str) -> None:
    import tomllib

    from ddbench.benchmark import build

    assert tomllib.loads(to_toml(build({"name": text})))["name"] == text


@pytest.mark.parametrize(
    "arguments",
    [["ls"], ["ls", "synth"], ["info", "toy-synth"], ["plugins"], ["env"], ["cache", "size"]],
)
def test_every_command_with_json_prints_one_document_on_stdout(
    command: Call, toys: list[str], arguments: list[str]
) -> None:
    ended = command(*arguments, "--json")

    assert ended.code == 0
    assert ended.document
    assert command(*arguments).code == 0  # and as text


def test_info_tells_what_a_recipe_sets_for_some_ipc_or_students_and_for_labels(command: Call) -> None:
    lines = command("info", "rded").out.splitlines()
    assert "cifar10, ipc 1: batch_size 10" in lines
    assert "cifar10, student efficientnet: learning_rate 0.002" in lines
    assert "cifar10, labels: temperature 20.0, teacher_mode eval" in lines


def test_info_tells_parameters_types_defaults_and_notes(command: Call, toys: list[str]) -> None:
    document = command("info", "toy-synth", "--json").document

    noise = document["parameters"][0]
    assert (noise["name"], noise["type"], noise["default"], noise["required"]) == ("noise", "float >= 0", 5.0, False)
    assert noise["note"].startswith("standard deviation, in levels of 255")
    assert (document["kind"], document["origin"]) == ("synthesizer", "ddbench-toys 1.0")


def test_ls_of_a_kind_lists_that_kind_with_summaries(command: Call, toys: list[str]) -> None:
    rows = command("ls", "synth", "--json").document

    assert {row["kind"] for row in rows} == {"synthesizer"}
    toy = next(row for row in rows if row["name"] == "toy-synth")
    assert toy["summary"] == "Real images under a little noise, index by index (made up here)."
    assert toy["version"] == 1


def test_plugins_tells_of_failures(command: Call, install: Call) -> None:
    install("broken", "broken_for_plugins", "raise ValueError('not [today]')\n")

    rows = {row["name"]: row for row in command("plugins", "--json").document}

    assert rows["broken"]["error"] == "ValueError: not [today]"
    assert "ddbench_synthesizers" in rows["dwa"]["hooks"]
    assert "not [today]" in " ".join(command("plugins").out.split())


def test_result_files_are_one_json_document_each_under_data_set_synthesizer_and_ipc(run: Call) -> None:
    run()

    files = sorted(Path("results").rglob("*.json"))
    assert [file.parent.as_posix() for file in files] == ["results/toy/toy-synth/ipc2"] * 2
    assert [json.loads(file.read_text())["trial"]["evaluation_seed"] for file in files] == [0, 1]


CHATTY = """
from dataclasses import dataclass
from ddbench import hookimpl
from ddbench.testing.toys import ToySynth

@dataclass(frozen=True)
class Chatty(ToySynth):
    def synthesize(self, task):
        print("thinking aloud")
        return super().synthesize(task)

@hookimpl
def ddbench_synthesizers():
    return {"chatty": Chatty}
"""


def test_what_a_component_prints_does_not_come_into_a_document(run: Call, install: Call) -> None:
    install("chatty", "chatty_plugin", CHATTY)
    ended = run("--synth", "chatty", "--json")
    assert [trial["status"] for trial in ended.document["trials"]] == ["done", "done"]
    assert "thinking aloud" in ended.err
