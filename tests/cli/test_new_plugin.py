"""``ddbench new-plugin``: what it writes is sound by every tool's judgement, for every kind; what it refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ddbench import UserError
from ddbench.templates import LONGEST, Package, write
from ddbench.templates.forms import FORMS
from ddbench.types import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[..., Any]

ROOT = Path(__file__).parents[2]
LONG = "x" * (LONGEST - 2)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write a package of each kind; returns their folders."""
    folder = tmp_path_factory.mktemp("packages")
    folders = {kind: folder / f"my-{kind}" for kind in FORMS}
    for kind, place in folders.items():
        write(Package(place.name, kind), place)
    return folders


def ended(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Run a command; returns what it printed, if it failed."""
    run = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=600
    )
    return run.stdout + run.stderr if run.returncode else ""


def test_there_is_a_form_for_every_kind_of_component_and_for_listeners() -> None:
    assert set(FORMS) == {*KINDS, "event"}


@pytest.mark.parametrize("kind", FORMS)
def test_a_package_holds_hook_component_tests_and_a_gate_where_numbers_depend_on_it(kind: str) -> None:
    package = Package("my-thing", kind)
    files = package.files()

    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["entry-points"] == {"ddbench": {"my-thing": "ddbench_my_thing"}}
    assert {"README.md", ".gitignore", ".github/workflows/check.yml", "tests/test_my_thing.py"} <= set(files)
    assert all(text.endswith("\n") and "$class" not in text for name, text in files.items() if name[-5:] != "typed")
    gated = "ddbench compare baseline head --fail-on 'top1:-1.0'" in files[".github/workflows/check.yml"]
    assert gated == bool(FORMS[kind].gate) == ("--out baseline" in files["README.md"])
    recipe = files.get("ddbench_my_thing/recipes/digits.toml")
    assert (recipe is not None) == (kind in {"synthesizer", "teacher", "evaluator"})
    assert recipe is None or list(tomllib.loads(recipe)) == ["my-thing"]


def test_its_workflow_is_yaml_with_the_steps_in_order() -> None:
    yaml = pytest.importorskip("yaml", reason="a workflow is read by PyYAML")
    workflow = yaml.safe_load(Package("my-thing", "synthesizer").files()[".github/workflows/check.yml"])
    steps = [step["run"].split()[:2] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    assert steps == [
        ["pip", "install"],
        ["pytest"],
        *(["ddbench", word] for word in ("check-plugin", "run", "compare")),
    ]


@pytest.mark.skipif(shutil.which("ruff") is None, reason="ruff is not installed")
@pytest.mark.parametrize("command", [("check", "--no-cache"), ("format", "--check", "--no-cache")])
def test_ruff_has_nothing_to_say_whatever_the_kind_and_the_length_of_its_name(
    packages: dict[str, Path], tmp_path: Path, command: tuple[str, ...]
) -> None:
    for kind in FORMS:
        write(Package(f"a-{LONG}", kind), tmp_path / kind)
    folders = [*packages.values(), *(tmp_path / kind for kind in FORMS)]

    assert not [told for folder in folders if (told := ended("ruff", *command, ".", cwd=folder))]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy_is_strictly_content_with_every_kind(packages: dict[str, Path]) -> None:
    folders = ":".join(str(folder) for folder in packages.values())
    files = [path for folder in packages.values() for path in folder.rglob("*.py")]
    mypy = (sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml")

    assert not ended(*mypy, *files, MYPYPATH=folders)


@pytest.mark.slow
def test_the_tests_of_every_kind_pass(packages: dict[str, Path], tmp_path: Path) -> None:
    folders = os.pathsep.join(filter(None, [*map(str, packages.values()), os.environ.get("PYTHONPATH")]))
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-W", "error")
    tests = [folder / "tests" for folder in packages.values()]

    assert not ended(sys.executable, "-m", "pytest", *options, *tests, cwd=tmp_path, PYTHONPATH=folders)


def test_the_command_says_what_it_wrote_and_what_to_do_next(command: Call, tmp_path: Path) -> None:
    place = tmp_path / "a folder"

    told = command("new-plugin", "my-method", "--folder", str(place))

    assert told.code == 0
    lines = told.out.splitlines()
    assert lines[0] == f"{place}/my-method/"
    written = sorted(str(path.relative_to(place / "my-method")) for path in place.rglob("*") if path.is_file())
    assert sorted(line.strip() for line in lines[1:-5]) == written
    assert lines[-4:] == [
        "next:",
        f"  pip install -e '{place}/my-method'",
        "  ddbench check-plugin my-method",
        "  ddbench run --synth my-method,dwa --eval resnet18",
    ]


def test_a_folder_that_is_there_is_left_alone(command: Call, tmp_path: Path) -> None:
    (tmp_path / "my-method").mkdir()

    told = command("new-plugin", "my-method", "--folder", str(tmp_path))

    assert told.code == 2
    assert told.err == (
        f"Error: {tmp_path}/my-method is there already: take another name, or another place with --folder\n"
    )
    assert not list((tmp_path / "my-method").iterdir())


def test_a_folder_that_cannot_be_written_is_one_line(command: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    told = command("new-plugin", "my-method", "--folder", str(tmp_path / "file" / "below"))

    assert told.code == 2
    assert told.err.startswith(f"Error: {tmp_path}/file/below/my-method cannot be written: ")


@pytest.mark.parametrize(
    "name", ["My-Method", "my_method", "-x", "x-", "x--y", "2d", "", "a b", "é", "../up", "a" * 25]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="cannot be a plugin's name: take at most 24 lower-case letters, digits"):
        Package(name, "synthesizer")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("ddbench-mine", "synthesizer", "^leave out the prefix: ddbench new-plugin mine$"),
        ("batch", "synthesizer", "^a class Batch would hide another: take a longer name than 'batch'$"),
        ("tensor", "labeler", "^a class Tensor would hide another"),
        ("none", "reporter", "^a class None would hide another"),
    ],
)
def test_a_name_that_would_make_broken_code_is_refused(name: str, kind: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Package(name, kind)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dwa",), "there is a plugin 'dwa' already, of ddbench: take another name"),
        (("online", "--kind", "labeler"), "there is a labeler 'online' already, of ddbench: take another name"),
        (("json", "--kind", "widget"), "Invalid value for '--kind'"),
    ],
)
def test_a_name_that_somebody_has_is_refused(
    command: Call, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    told = command("new-plugin", *arguments, "--folder", str(tmp_path))

    assert told.code == 2
    assert message in told.err
    assert not list(tmp_path.iterdir())


def test_a_package_that_is_there_is_not_written_a_second_time(command: Call, install: Call, tmp_path: Path) -> None:
    install("other", "ddbench_my_method", "")

    told = command("new-plugin", "my-method", "--folder", str(tmp_path / "new"))

    assert told.code == 2
    assert "there is a package ddbench_my_method already: take another name than 'my-method'" in told.err
