"""Every module imports by itself, in a process that holds no other of ours, without a warning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# One process imports torch, which takes seconds, then forks a child for each module.
ALONE = """
import importlib, os, sys, traceback, warnings
import annotated_types, numpy, pandas, pydantic, rich_click, torch, torch.optim
for module in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        warnings.simplefilter("error")
        try:
            importlib.import_module(module)
        except BaseException:
            print(module, traceback.format_exc(), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    os.waitpid(child, 0)
"""


def modules() -> list[str]:
    core = [path.relative_to(ROOT) for path in (ROOT / "ddbench").rglob("*.py")]
    plugins = [path.relative_to(ROOT / "plugins") for path in (ROOT / "plugins").rglob("*.py")]
    names = [path.with_suffix("").as_posix().replace("/", ".") for path in core + plugins]
    return sorted(name.removesuffix(".__init__") for name in names)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_every_module_imports_alone_and_without_a_warning() -> None:
    names = modules()
    assert {"ddbench.types", "ddbench.cli.run", "ddbench_dwa.synthesizer"} <= set(names)
    run = subprocess.run([sys.executable, "-c", ALONE, *names], capture_output=True, text=True, check=True)
    assert run.stderr == ""


@pytest.mark.parametrize("module", ["ddbench", "ddbench.cli", "ddbench_dwa"])
def test_a_light_module_imports_alone_with_every_warning_an_error(module: str) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import {module}"], capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
