"""Commands that only list answer at once: they import nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "torchvision", "timm", "pandas", "pydantic", "sklearn", "numpy", "pyarrow"}
COMMAND = """
import sys
from ddbench.cli import main
sys.argv = ["ddbench", *{arguments!r}]
try:
    main()
finally:
    print("imported", *sys.modules, file=sys.stderr)
"""


def imported(code: str) -> set[str]:
    """Run code in a new interpreter; returns the top-level packages that it had imported in the end."""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    names = ended.stderr.splitlines()[-1].removeprefix("imported ").split()
    assert "ddbench" in names
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["ls"], ["plugins"], ["--version"]])
def test_listing_imports_nothing_heavy(arguments: list[str]) -> None:
    assert imported(COMMAND.format(arguments=arguments)) & HEAVY == set()


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert imported("import ddbench, sys; print('imported', *sys.modules, file=sys.stderr)") & HEAVY == set()
