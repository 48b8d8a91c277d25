"""Commands that compute nothing import nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "torchmetrics",
    "torchvision",
    "timm",
    "diffusers",
    "pandas",
    "sklearn",
    "scipy",
    "pyarrow",
    "pydantic",
    "ray",
    "submitit",
}
REPORT = "import atexit, sys; atexit.register(lambda: print('loaded', *sys.modules, file=sys.stderr))"


@pytest.mark.parametrize(
    "arguments",
    ["", "--help", "ls", "ls synthesizers --json", "plugins", "run --help", "plan --help", "compare --help"],
)
def test_nothing_heavy_is_imported(arguments: str) -> None:
    start = "from ddbench.cli import main; main()" if arguments else "import ddbench"
    command = [sys.executable, "-c", f"{REPORT}; {start}", *arguments.split()]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(run.stderr.rpartition("loaded ")[2].split())
    assert "ddbench" in loaded
    assert not loaded & HEAVY
