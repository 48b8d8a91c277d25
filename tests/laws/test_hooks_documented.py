"""Every hook stands in plugins/README.md under its exact signature, in the order of a run."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from ddbench import hookspecs

README = Path(__file__).parents[2] / "plugins" / "README.md"


def hooks() -> dict[str, str]:
    """Return each hook's signature by its name, as ``name(arguments) -> what it returns``."""
    functions = [value for name, value in vars(hookspecs).items() if name.startswith("ddbench_")]
    return {function.__name__: f"{function.__name__}{signature(function)}" for function in functions}


def signature(function: object) -> str:
    assert callable(function)
    return str(inspect.signature(function)).replace("'", "")


def test_every_hook_is_a_heading_with_its_exact_signature() -> None:
    headings = re.findall(r"^### `(ddbench_.*)`$", README.read_text(), re.MULTILINE)
    assert headings == list(hooks().values())


def test_every_heading_is_followed_by_a_contract() -> None:
    sections = re.split(r"^#+ .*$", README.read_text(), flags=re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", README.read_text(), re.MULTILINE)
    for heading, text in zip(headings, sections[1:], strict=True):
        assert not heading.startswith("`ddbench_") or len(text.split()) > 15, f"{heading} says too little"
