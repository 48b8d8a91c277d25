"""Every ``ddbench`` command in a block of the documents parses, and names what exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from ddbench import benchmark as grids
from ddbench.cli import cli
from ddbench.registry import registry
from ddbench.spec import Spec

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / name for name in ("README.md", "plugins/README.md", "benchmarks/README.md")]
KINDS = {
    "synth": "synthesizer",
    "eval": "architecture",
    "labels": "labeler",
    "evaluator": "evaluator",
    "teacher": "teacher",
    "dataset": "dataset",
    "diagnostics": "diagnostic",
}


def blocks(path: Path, *languages: str) -> list[str]:
    """Return the fenced blocks of a document in some languages."""
    found = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages]


def commands(path: Path) -> list[list[str]]:
    """Return the arguments of every ddbench command in a document."""
    lines = [line for block in blocks(path, "", "sh", "bash", "console", "shell") for line in unfolded(block)]
    parts = [part for line in lines for part in re.split(r"\s(?:&&|\|)\s", line.removeprefix("$ "))]
    return [shlex.split(part, comments=True)[1:] for part in parts if part.startswith("ddbench ")]


def unfolded(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


COMMANDS = [(path.relative_to(ROOT).as_posix(), words) for path in DOCUMENTS for words in commands(path)]

MADE = {words[1] for _, words in COMMANDS if words[:1] == ["new-plugin"]}  # what the reader is told to make


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Parse a command as the command line would, without running it."""
    group = cli.make_context("ddbench", list(words))
    name, command, rest = cli.resolve_command(group, [*group._protected_args, *group.args])
    assert name is not None
    assert command is not None
    return name, command.make_context(name, rest, parent=group).params


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_document_shows_commands(path: Path) -> None:
    assert commands(path)


@pytest.mark.parametrize("words", [pytest.param(words, id=f"{name}: {' '.join(words)}") for name, words in COMMANDS])
def test_a_documented_command_parses_and_names_what_exists(words: list[str]) -> None:
    if words in (["--help"], ["--version"]):
        return
    name, params = parsed(words)
    for option, kind in KINDS.items():
        for spec in Spec.parse_list(params.get(option) or ""):
            require_known(kind, spec)
    file = params.get("benchmark")
    if name in {"run", "plan"}:
        grids.build(grids.load(ROOT / file) if file and (ROOT / file).exists() else {})
        registry().resolve("executor", Spec.parse(params["executor"]))
    if name == "info":
        assert [kind for kind in KINDS.values() if registry().has(kind, params["name"])]  # type: ignore[arg-type]  # all are kinds
    if name == "report":
        registry().resolve("reporter", Spec.parse(params["form"]))


def require_known(kind: Any, spec: Spec) -> None:
    """Resolve a name and its parameters; a file that the reader shall bring need not be here."""
    if spec.name in MADE:
        return
    if "path" not in spec.mapping():
        registry().resolve(kind, spec, "cifar10")
        return
    fields = registry().entry(kind, spec.name).load().__dataclass_fields__  # type: ignore[attr-defined]  # components are dataclasses
    assert set(spec.mapping()) <= set(fields)
