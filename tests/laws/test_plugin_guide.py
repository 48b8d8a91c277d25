"""The guide for plugin authors: its python compiles, its tables are complete, and its example works as it stands."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ddbench
from ddbench import types
from ddbench.registry import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GUIDE = Path(__file__).parents[2] / "plugins" / "README.md"
BLOCKS = re.findall(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("name", "text"), [block for block in BLOCKS if block[0].endswith(".py")])
def test_a_block_of_python_compiles(name: str, text: str) -> None:
    compile(text, name, "exec")


def test_every_block_of_python_says_which_file_it_is() -> None:
    named = [name for name, _ in BLOCKS if name.endswith(".py")]
    assert len(re.findall(r"^```python", GUIDE.read_text(), re.MULTILINE)) == len(named) > 0


def test_the_fields_of_every_task_are_listed() -> None:
    listed = dict(re.findall(r"^\| `(\w+Task)` \| (.*) \|$", GUIDE.read_text(), re.MULTILINE))
    tasks = {name: value for name, value in vars(types).items() if name.endswith("Task")}
    fields = {name: ", ".join(f"`{field.name}`" for field in dataclasses.fields(task)) for name, task in tasks.items()}
    assert listed == fields


@pytest.fixture
def example(toys: list[str], install: Callable[..., Path]) -> Iterator[list[str]]:
    """Install the example as its reader would write it."""
    assert toys
    site = install("mean", "ddbench_mean")
    for name, text in BLOCKS:
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    yield toys
    for name in [name for name in sys.modules if name.partition(".")[0] == "ddbench_mean"]:
        del sys.modules[name]


def test_the_example_runs_beside_the_toys(example: list[str]) -> None:
    options = dict(zip((name.removeprefix("--") for name in example[::2]), example[1::2], strict=True))
    frame = ddbench.run(**options | {"synth": "mean[count=4],toy-synth"}, executor="serial", device="cpu")
    assert list(frame["status"]) == ["done"] * 4
    assert list(frame["synthesizer"]) == ["mean[count=4]"] * 2 + ["toy-synth"] * 2


def test_the_examples_own_tests_pass(example: list[str]) -> None:
    assert example
    tests: dict[str, Callable[[], None]] = {}
    exec(dict(BLOCKS)["tests/test_mean.py"], tests)  # noqa: S102 - the guide's own code is what is under test
    called = [function() for name, function in tests.items() if name.startswith("test_")]
    assert len(called) == 2


def test_the_examples_recipe_is_found(example: list[str]) -> None:
    assert example
    resolved = registry().resolve("synthesizer", ddbench.Spec("mean"), "digits")
    assert resolved.component.count == 5
