"""Toys installed as a plugin, a store and results of one's own, and commands run as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ddbench.plugins import discover
from ddbench.registry import registry

TOYS = (
    *("--synth", "toy-synth", "--eval", "toy-net", "--dataset", "toy", "--ipc", "2", "--seeds", "0-1"),
    *("--teacher", "toy-teacher", "--labels", "toy-labels", "--evaluator", "toy-exam"),
)

Install = Callable[..., Path]
Ddbench = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def fresh_registry() -> Iterator[None]:
    """Let every test discover the plugins of its own environment."""
    yield
    discover.cache_clear()
    registry.cache_clear()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Yield a function that installs a plugin: an entry point, and the source of its module unless it exists.

    The modules are forgotten afterwards: another test may call its own alike.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a source edited twice in a second would not be read again
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")])))

    def install(name: str, module: str, source: str | None = None, distribution: str | None = None) -> Path:
        info = site / f"{(distribution or name).replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution or name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[ddbench]\n{name} = {module}\n")
        if source is not None:
            (site / f"{module}.py").write_text(source)
        discover.cache_clear()
        registry.cache_clear()
        return site

    yield install
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(site)):
            del sys.modules[name]


@pytest.fixture
def toys(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Install the toys; returns the options of a run that takes a second."""
    install("toys", "ddbench.testing.toys", distribution="ddbench-toys")
    monkeypatch.setenv("DDBENCH_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    return list(TOYS)


@pytest.fixture
def ddbench(tmp_path: Path) -> Ddbench:
    """Return a function that runs the command line in a process of its own."""

    def call(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from ddbench.cli import main; main()", *arguments]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return call
