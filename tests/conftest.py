"""Toys installed as a plugin, a store and results of one's own, and commands run as a user would."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import uuid
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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Start a server of S3 on loopback; yields its URL."""
    moto = pytest.importorskip("moto.server", reason="needs moto's server of S3")
    pytest.importorskip("s3fs", reason="needs s3fs")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def bucket(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make a bucket; yields its URL. What is fetched from it is kept in the test's own folder."""
    import s3fs

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("DDBENCH_CACHE", str(tmp_path / "copies"))
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3fs.S3FileSystem().mkdir(name)
    yield f"s3://{name}"
    s3fs.S3FileSystem.clear_instance_cache()  # the next test may reach the server another way
