"""The keys that components have in another process: in a worker, or tomorrow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, get_args

from ddbench.keys import digest
from ddbench.plugins import GROUP, assemble, one_line
from ddbench.registry import Registry
from ddbench.spec import Spec
from ddbench.types import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

_START = "from ddbench.testing.elsewhere import answer; answer()"
_HASHES = "20260101"  # the order of Python's sets, and its hashes of texts, differ from process to process: here surely


def of_module(module: str) -> Registry:
    """Return what the plugin in a module hands over, and nobody else."""
    return Registry(assemble([EntryPoint(module, module, GROUP)]))


def key(known: Registry, kind: Kind, spec: Spec) -> str:
    """Return the digest of what enters keys of a component, or why there is none."""
    try:
        return digest(known.resolve(kind, spec).identity)
    except Exception as error:  # noqa: BLE001 - a stranger's component may raise anything; it is told when it is tried
        return one_line(error)


def ask(module: str, specs: Iterable[tuple[Kind, Spec]]) -> subprocess.Popen[str]:
    """Start a process that tells the keys of components of a plugin's module."""
    asked = json.dumps([module, [(kind, str(spec)) for kind, spec in specs]])
    return subprocess.Popen(
        [sys.executable, "-c", _START, asked],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": _HASHES},
    )


def told(process: subprocess.Popen[str]) -> list[str]:
    """Return what that process tells, in the order asked.

    Raises:
        AssertionError: it ends without an answer.
    """
    out, err = process.communicate()
    if process.returncode:
        raise AssertionError(f"another process cannot load the plugin: {err.strip().splitlines()[-1]}")
    keys: list[str] = json.loads(out.splitlines()[-1])
    return keys


def answer() -> None:
    """Be that process."""
    module, specs = json.loads(sys.argv[1])
    known = of_module(module)
    keys = [key(known, kind, Spec.parse(spec)) for kind, spec in specs if kind in get_args(Kind)]
    print(json.dumps(keys))  # noqa: T201 - the process that asked reads it
