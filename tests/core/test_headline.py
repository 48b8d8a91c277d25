from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from ddbench.headline import headline
from ddbench.registry import registry
from ddbench.testing.toys import ToySynth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOURCE = '''
"""Text that is not a class."""
from dataclasses import dataclass
from typing import ClassVar

@dataclass(frozen=True)
class Shy:
    """Climb the loss (a paper, 2024).

    More about it.
    """

    version: ClassVar[int] = 7

@dataclass(frozen=True)
class Bare:
    version: ClassVar[int] = 1 + 1

class Outer:
    class Inner:
        """Not at the top."""

raise RuntimeError("somebody imported this")
'''
HOOK = """
from ddbench import hookimpl
@hookimpl
def ddbench_synthesizers():
    return {{
        "shy": "{0}.parts:Shy", "bare": "{0}.parts:Bare", "inner": "{0}.parts:Inner", "absent": "{0}.absent:Shy",
        "broken": "{0}.broken:Shy", "nowhere": "ddbench_core_nowhere.parts:Shy", "builtin": "sys:Shy",
        "explosive": "ddbench_core_explosive.parts:Shy",
    }}
"""


@pytest.fixture
def read(install: Callable[..., Path]) -> Callable[[str], tuple[str, int | None]]:
    """Install a package that must not be imported; returns a function from a component's name to its headline."""
    package = install("shy", "ddbench_core_shy") / "ddbench_core_shy"
    package.mkdir()
    (package / "__init__.py").write_text(HOOK.format("ddbench_core_shy"))
    (package / "parts.py").write_text(SOURCE)
    (package.parent / "ddbench_core_explosive").mkdir()
    (package.parent / "ddbench_core_explosive" / "__init__.py").write_text("raise RuntimeError('boom')")
    (package / "broken.py").write_text("class Shy:\n    def (\n")
    return lambda name: headline(registry().entry("synthesizer", name))


def test_summary_and_version_are_read_without_importing_the_module(
    read: Callable[[str], tuple[str, int | None]],
) -> None:
    assert read("shy") == ("Climb the loss (a paper, 2024).", 7)
    assert "ddbench_core_shy.parts" not in sys.modules


def test_a_class_without_docstring_and_plain_version_has_neither(
    read: Callable[[str], tuple[str, int | None]],
) -> None:
    assert read("bare") == ("", None)


@pytest.mark.parametrize("name", ["inner", "absent", "broken", "nowhere", "builtin", "explosive"])
def test_a_class_whose_source_cannot_be_read_has_no_headline_and_breaks_no_list(
    read: Callable[[str], tuple[str, int | None]], name: str
) -> None:
    assert read(name) == ("", None)


def test_a_class_that_is_at_hand_is_asked_itself(toys: list[str]) -> None:
    entry = registry().entry("synthesizer", "toy-synth")
    assert entry.target is ToySynth
    assert headline(entry) == ("Real images under a little noise, index by index (made up here).", 1)
