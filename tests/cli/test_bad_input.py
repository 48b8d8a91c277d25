"""Bad input: one line that says what, where and what to do, exit code 2, nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

BAD = {
    "unknown synthesizer": (["--synth", "toy-synht"], ["unknown synthesizer 'toy-synht'", "did you mean 'toy-synth'?"]),
    "unknown architecture": (["--eval", "toy-nte"], ["unknown architecture 'toy-nte'", "did you mean 'toy-net'?"]),
    "unknown data set": (["--dataset", "tyo"], ["unknown dataset 'tyo'", "did you mean 'toy'?"]),
    "unknown teacher": (["--teacher", "toy-teecher"], ["unknown teacher 'toy-teecher'", "'toy-teacher'?"]),
    "unknown labels": (["--labels", "toy-lables"], ["unknown labeler 'toy-lables'", "'toy-labels'?"]),
    "unknown exam": (["--evaluator", "toy-exma"], ["unknown evaluator 'toy-exma'", "'toy-exam'?"]),
    "unknown executor": (["--executor", "procesess"], ["unknown executor 'procesess'", "'processes'?"]),
    "unknown parameter": (["--synth", "toy-synth[nosie=2.0]"], ["unknown parameter 'nosie'", "did you mean 'noise'?"]),
    "parameter of another type": (["--synth", "toy-synth[noise=loud]"], ["toy-synth[noise=loud]", "noise", "number"]),
    "parameter out of range": (["--synth", "toy-synth[noise=-1.0]"], ["noise", "greater than or equal to 0"]),
    "open bracket": (["--synth", "toy-synth[noise=2.0"], ["--synth", "cannot read", "toy-synth[noise=2.0"]),
    "no value": (["--synth", "toy-synth[noise]"], ["cannot read 'noise'", "expected key=value"]),
    "nothing named": (["--synth", ""], ["'synth' is empty"]),
    "no images": (["--ipc", "0"], ["--ipc", "1 or more"]),
    "images in words": (["--ipc", "ten"], ["--ipc", "cannot read 'ten'"]),
    "more real images than a class has": (["--synth", "random", "--ipc", "21"], ["21", "20"]),
    "seeds backwards": (["--seeds", "4-0"], ["--seeds", "'4-0' runs backwards"]),
    "floor beyond percent": (["--teacher-floor", "101"], ["--teacher-floor", "between 0 and 100"]),
    "unknown precision": (["--precision", "float8"], ["--precision", "float32 or bfloat16"]),
    "unknown device": (["--device", "abacus"], ["device 'abacus' cannot be used"]),
    "missing benchmark file": (["nowhere.toml"], ["benchmark file nowhere.toml cannot be read"]),
    "missing folder of images": (["--dataset", "folder[path=nowhere]"], ["nowhere"]),
    "missing path": (["--dataset", "folder"], ["dataset 'folder'", "path"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line_and_writes_nothing(
    run: Callable[..., Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(tmp_path.rglob("*"))
    options, words = BAD[name]

    ended = run(*options)

    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("Error: ")
    assert len(ended.err.splitlines()) == 1
    assert [word for word in words if word not in ended.err] == []
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('sytnh = "toy-synth"', ["grid.toml", "'sytnh' is not known", "did you mean 'synth'?"]),
        ("ipc = true", ["grid.toml", "'ipc'", "expected numbers"]),
        ("synth = 3", ["grid.toml", "'synth'"]),
        ("ipc = [1, ", ["grid.toml", "is not TOML"]),
        ('[[reported]]\nsynht = "dwa"', ["grid.toml", "'reported'", "unknown key 'synht'"]),
    ],
)
def test_a_mistake_in_a_benchmark_file_gets_one_line_that_names_file_and_key(
    run: Callable[..., Any], tmp_path: Path, text: str, words: list[str]
) -> None:
    (tmp_path / "grid.toml").write_text(text)

    ended = run("grid.toml")

    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert [word for word in words if word not in ended.err] == []
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("option", ["--out", "--store"])
def test_a_place_that_cannot_be_written_is_named_before_anything_runs(
    run: Callable[..., Any], tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").touch()

    ended = run(option, "file/below")

    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert "file/below cannot be written" in ended.err
    assert option in ended.err
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], ["'rnu'", "'run'"]),
        (["run", "--sytnh", "dwa"], ["--sytnh", "--synth"]),
        (["run", "--teacher-floor", "high"], ["--teacher-floor", "'high'"]),
        (["run", "--out", "file"], ["--out", "'file' is a file"]),
        (["run", "one.toml", "two.toml"], ["two.toml"]),
        (["info"], ["NAME"]),
    ],
)
def test_a_mistyped_command_line_gets_one_line_too(
    command: Callable[..., Any], toys: list[str], arguments: list[str], words: list[str]
) -> None:
    Path("file").touch()

    ended = command(*arguments)

    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert [word for word in words if word not in ended.err] == []
    assert not Path("store").exists()


def test_two_plugins_of_one_name_are_refused_naming_both(
    run: Callable[..., Any], install: Callable[..., Path], tmp_path: Path
) -> None:
    for distribution in ("one", "another"):
        install("twin", "ddbench.testing.toys", distribution=distribution)

    ended = run()

    assert (ended.code, ended.err) == (
        2,
        "Error: plugin 'twin': claimed by more than one distribution: another and one; uninstall one of them\n",
    )
    assert not (tmp_path / "store").exists()


def test_two_plugins_that_give_one_component_are_refused_naming_both(
    run: Callable[..., Any], install: Callable[..., Path]
) -> None:
    source = "from ddbench import hookimpl\n@hookimpl\ndef ddbench_synthesizers():\n    return {'dwa': 'x:Y'}\n"
    install("pirate", "pirate_plugin", source)

    ended = run()

    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert "synthesizer 'dwa' is given by two plugins, 'dwa' (ddbench) and 'pirate' (pirate)" in ended.err


def test_a_broken_plugin_warns_and_harms_nobody_else(run: Callable[..., Any], install: Callable[..., Path]) -> None:
    install("broken", "broken_plugin", "import no_such_module\n")

    ended = run("--quiet")

    assert ended.code == 0
    assert ended.err.splitlines() == [
        "Warning: plugin 'broken' (broken) failed to load: ModuleNotFoundError: No module named 'no_such_module'"
    ]


def test_an_unknown_name_tells_of_the_plugin_that_might_have_given_it(
    run: Callable[..., Any], install: Callable[..., Path], tmp_path: Path
) -> None:
    install("broken", "broken_plugin", "import no_such_module\n")

    ended = run("--synth", "brilliant")

    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith("Error: unknown synthesizer 'brilliant'")
    assert "plugin 'broken' failed to load: ModuleNotFoundError" in ended.err.splitlines()[-1]
    assert not (tmp_path / "store").exists()


def test_a_component_whose_module_cannot_be_imported_is_named_with_the_reason(
    run: Callable[..., Any], install: Callable[..., Path]
) -> None:
    source = (
        "from ddbench import hookimpl\n@hookimpl\ndef ddbench_synthesizers():\n    return {'absent': 'no_such:Class'}\n"
    )
    install("hollow", "hollow_plugin", source)

    ended = run("--synth", "absent")

    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert "synthesizer 'absent' of plugin 'hollow' cannot be imported from no_such:Class" in ended.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ls", "synthesiser"], "did you mean 'synthesizer'?"),
        (["info", "toy-synht"], "did you mean 'toy-synth'?"),
        (["report", "nowhere"], "no results folder nowhere"),
        (["report", "nowhere", "--format", "markdwon"], "did you mean 'markdown'?"),
        (["cache", "prune", "--older-than", "soon"], "expected a number of hours or days"),
        (["cache", "prune", "--older-than", "²d"], "expected a number of hours or days"),
        (["cache", "prune", "--older-than", "9" * 400 + "d"], "expected a number of hours or days"),
    ],
)
def test_other_commands_refuse_in_one_line_too(
    command: Callable[..., Any], toys: list[str], arguments: list[str], words: str
) -> None:
    ended = command(*arguments)

    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert words in ended.err
