"""One promise broken at a time, by a toy that keeps all the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest

from ddbench.testing.conformance import (
    check_declaration,
    check_plugin,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Mutable:
    """Can be changed (made up here)."""

    version: ClassVar[int] = 1


@dataclass(frozen=True)
class Unversioned:
    """Has no version (made up here)."""


@dataclass(frozen=True)
class Undescribed:
    version: ClassVar[int] = 1


@dataclass(frozen=True)
class Uncited:
    """Says nothing of where it comes from."""

    version: ClassVar[int] = 1


@dataclass(frozen=True)
class Unexplained:
    """Has a field that nobody explains (made up here)."""

    version: ClassVar[int] = 1

    rho: float = 0.1


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Mutable, "is not a frozen dataclass"),
        (Unversioned, "has no version, a whole number from 1"),
        (Undescribed, "has no docstring whose first line is a sentence"),
        (Uncited, "names no source"),
        (Unexplained, "explains 'rho' nowhere in its docstring's Attributes"),
    ],
)
def test_a_class_that_does_not_declare_itself_is_told_what_is_missing(broken: type, sentence: str) -> None:
    with pytest.raises(AssertionError, match=f"^{broken.__name__} {sentence}"):
        check_declaration(broken)


def test_infrastructure_need_not_be_cited() -> None:
    check_declaration(Uncited, cited=False)


HOOK = """
from ddbench import hookimpl


@hookimpl
def ddbench_synthesizers():
    return {"mine": "ddbench.testing.toys:ToySynth"}
"""


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (f"import torch\n{HOOK}", "imports torch: name components as"),
        (
            "from ddbench import hookimpl\n@hookimpl\ndef ddbench_synths(): ...",
            "cannot be used: implements unknown hooks",
        ),
        ("import nowhere_to_be_found", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_a_plugin_that_breaks_a_promise_is_told_which(
    source: str, sentence: str, install: Callable[..., object]
) -> None:
    install("heavy", "heavy_plugin", source)
    with pytest.raises(AssertionError, match=f"^heavy_plugin {sentence}"):
        check_plugin("heavy_plugin")
