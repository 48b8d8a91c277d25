"""The guide for plugin authors: its tables are complete, and its examples are what ``new-plugin`` writes, at work."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ddbench
from ddbench import types
from ddbench.cli import cli
from ddbench.registry import registry
from ddbench.templates import Package
from ddbench.templates.forms import FORMS

if TYPE_CHECKING:
    from collections.abc import Callable

GUIDE = Path(__file__).parents[2] / "plugins" / "README.md"
BLOCKS = dict(re.findall(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL))
METHOD = Package("my-method", "synthesizer")
WRITTEN = re.findall(r"^ddbench new-plugin (\S+) --kind (\w+)\n(.*)$", GUIDE.read_text(), re.MULTILINE)
EXAMPLES = [METHOD, *(Package(name, kind) for name, kind, _ in WRITTEN)]


def test_there_is_one_example_of_each_kind() -> None:
    assert sorted(package.kind for package in EXAMPLES) == sorted(FORMS)


def test_every_block_is_a_file_as_new_plugin_writes_it() -> None:
    files = {name: text for package in EXAMPLES for name, text in package.files().items() if name in BLOCKS}
    assert files == BLOCKS
    assert len(re.findall(r"^```(?:python|toml)", GUIDE.read_text(), re.MULTILINE)) == len(BLOCKS) == len(EXAMPLES) + 3


def test_the_tree_of_files_is_what_new_plugin_writes() -> None:
    tree = re.findall(r"^  ([\w./]+)", GUIDE.read_text().partition("my-method/\n")[2].partition("```")[0], re.MULTILINE)
    assert tree == list(METHOD.files())


@pytest.mark.parametrize(("name", "kind", "command"), WRITTEN)
def test_an_example_says_how_it_is_used(name: str, kind: str, command: str) -> None:
    assert command == Package(name, kind).try_it
    assert parsed(command)


def test_the_method_says_how_it_is_run_and_gated() -> None:
    lines = GUIDE.read_text().partition("## Components")[0].splitlines()
    commands = [line for line in lines if line.startswith(("ddbench run", "ddbench compare"))]
    gate = [line for line in METHOD.files()[".github/workflows/check.yml"].splitlines() if "run: ddbench" in line]
    assert commands[0] == METHOD.try_it
    assert f"- run: {commands[1].replace('--out baseline', '--out head')}" in [line.strip() for line in gate]
    assert any(commands[2] in line for line in gate)
    assert all(parsed(command) for command in commands)


def parsed(command: str) -> bool:
    """Parse a command as the command line would, without running it."""
    import shlex

    words = shlex.split(command)
    group = cli.make_context("ddbench", words[words.index("ddbench") + 1 :])
    name, found, rest = cli.resolve_command(group, [*group._protected_args, *group.args])
    assert name is not None
    assert found is not None
    return bool(found.make_context(name, rest, parent=group).params)


def test_the_fields_of_every_task_are_listed() -> None:
    listed = dict(re.findall(r"^\| `(\w+Task)` \| (.*) \|$", GUIDE.read_text(), re.MULTILINE))
    tasks = {name: value for name, value in vars(types).items() if name.endswith("Task")}
    fields = {name: ", ".join(f"`{field.name}`" for field in dataclasses.fields(task)) for name, task in tasks.items()}
    assert listed == fields


@pytest.fixture
def examples(toys: list[str], install: Callable[..., Path]) -> dict[str, Any]:
    """Install all examples as their readers would write them; returns the options of a run on the toys."""
    for package in EXAMPLES:
        site = install(package.name, package.module)
        for name, text in package.files().items():
            path = site / name
            if path.parent.name != "tests":
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    names = (name.removeprefix("--").replace("-", "_") for name in toys[::2])
    return dict(zip(names, toys[1::2], strict=True)) | {"executor": "serial", "device": "cpu", "seeds": "0"}


def test_examples_work_together_in_one_run(
    examples: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DDBENCH_LOGBOOK", str(tmp_path / "trials.jsonl"))
    chosen = {
        "dataset": "rings",
        "teacher": "adam[architecture=mlp,epochs=3]",
        "synth": "my-method[iterations=2]",
        "eval": "mlp[width=16]",
        "labels": "smooth",
        "evaluator": "plain[epochs=3]",
        "metrics": "gain",
        "executor": "shuffled",
    }

    frame = ddbench.run(**examples | chosen)

    assert list(frame["status"]) == ["done"] * 2  # the method, and the random images that the metric compares with
    gains = frame.set_index("synthesizer")["metric:gain"]
    assert gains["random"] == 0
    assert gains["my-method[iterations=2]"] == pytest.approx(frame["top1"].iloc[0] - frame["top1"].iloc[1])
    lines = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    assert [line["top1"] for line in lines] == sorted(frame["top1"], key=[line["top1"] for line in lines].index)


def test_the_generator_serves_a_synthesizer(examples: dict[str, Any]) -> None:
    frame = ddbench.run(**examples | {"synth": "toy-drawn[generator=gaussians]"})

    assert list(frame["status"]) == ["done"]


def test_the_reporter_and_the_diagnostic_show_what_was_made(
    examples: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ddbench.run(**examples | {"synth": "my-method,toy-synth"})

    called("report", "results", "--format", "ranking", monkeypatch=monkeypatch)
    report = capsys.readouterr().out
    grid = [
        word
        for name, value in examples.items()
        if name not in {"executor", "eval", "evaluator", "seeds"}
        for word in (f"--{name}", value)
    ]
    called("analyze", *grid, "--synth", "my-method,toy-synth", "--diagnostics", "contrast", monkeypatch=monkeypatch)
    analysis = capsys.readouterr().out

    assert len(report.splitlines()) == 2
    assert "contrast" in analysis
    assert "my-method" in analysis


def called(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ddbench.cli import main

    monkeypatch.setattr(sys, "argv", ["ddbench", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code


def test_the_recipe_is_found(examples: dict[str, Any]) -> None:
    assert examples
    resolved = registry().resolve("synthesizer", ddbench.Spec("my-method"), "digits")
    assert resolved.component.iterations == 30


def test_what_check_plugin_is_shown_to_print_are_promises_that_it_tries(
    examples: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examples
    shown = re.findall(r"^  [✓✗] ([^:\n]*)", GUIDE.read_text(), re.MULTILINE)

    called("check-plugin", "my-method", "--json", monkeypatch=monkeypatch)

    held = json.loads(capsys.readouterr().out)["held"][1]
    assert len(shown) == 4
    assert set(shown) <= {each["promise"] for each in held["promises"]}
    assert f"{held['kind']} {held['name']}\n" in GUIDE.read_text()
