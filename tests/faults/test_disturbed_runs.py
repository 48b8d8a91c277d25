"""Runs that are killed, interrupted or doubled: nothing is lost, nothing is computed twice, nobody stays behind."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ddbench
from ddbench.store import Store

PATIENCE = 5  # a loaded machine is slower than an idle one, where 3 seconds are plenty
MAIN = """
import signal
from ddbench.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # as from a terminal, though the tests run in the background
main()
"""
GRID: dict[str, Any] = {
    "eval": "toy-net",
    "dataset": "toy",
    "seeds": "0-1",
    "teacher": "toy-teacher",
    "labels": "toy-labels",
    "evaluator": "toy-exam",
}
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
no_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
two_at_a_time = pytest.mark.parametrize(
    "executor",
    ["processes[workers=2]", pytest.param(f"ray[cpus_per_stage={CORES / 2}]", marks=[pytest.mark.ray, no_ray])],
    ids=["processes", "ray"],
)


@dataclass(frozen=True)
class Runner:
    """``ddbench run`` in a session of its own, as a terminal would start it."""

    process: subprocess.Popen[str]

    def alive(self) -> set[int]:
        """Return the processes of the session that have not ended.

        Two agents of Ray's, which are idle, need a minute to notice that they are alone, and are left out.
        """
        return {pid for pid, name in self.session().items() if not name.startswith(("ray::Dashboard", "ray::Runtime"))}

    def session(self) -> dict[int, str]:
        """Return the names of all processes of the session that have not ended."""
        pids = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return {int(entry.name): name for entry in pids if (name := self._name(entry))}

    def _name(self, entry: Path) -> str:
        try:
            name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            return ""
        state, _, _, session = rest.split()[:4]
        return name if int(session) == self.process.pid and state != "Z" else ""


Start = Callable[..., Runner]


@pytest.fixture
def grid(toys: list[str], install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Install the slow synthesizer; returns the options of a run."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("looks for processes under /proc")
    install("slow", "slow_plugin", Path(__file__).with_name("slow_synthesizer.py").read_text())
    monkeypatch.setenv("HOME", str(Path.cwd()))
    monkeypatch.setenv("SLOW_LOG", str(Path("slow.log").absolute()))
    Path("slow.log").touch()
    return dict(GRID)


@pytest.fixture
def start(grid: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Return a function that starts ``ddbench run`` with some options; whatever is left of it is killed at the end."""
    runners: list[Runner] = []
    scratch = tempfile.mkdtemp(prefix="dd")  # short, as Ray's sockets need it
    monkeypatch.setenv("TMPDIR", scratch)

    def start(**options: Any) -> Runner:
        written = [part for name, value in {**grid, **options}.items() for part in (f"--{name}", str(value))]
        command = [sys.executable, "-c", MAIN, "run", "--json", *written]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        runners.append(Runner(process))
        return runners[-1]

    yield start
    for runner in runners:
        for pid in runner.session():
            os.kill(pid, 9)
        runner.process.communicate()
    shutil.rmtree(scratch)


def logged(what: str) -> list[int]:
    """Return the indices that the slow synthesizer began, or made, in order."""
    lines = [line.split() for line in Path("slow.log").read_text().splitlines()]
    return [int(index) for word, index in lines if word == what]


def wait_until(condition: Callable[[], Any], seconds: float) -> float:
    """Wait for a condition; returns how long it took. It fails the test when time is up."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"still waiting after {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - begun


def numbers(folder: Path) -> dict[str, Any]:
    """Return what result files say, without time, memory and environment."""
    chosen = ("trial", "key", "status", "error", "measures", "teacher", "bytes", "stages")
    found = {file.relative_to(folder): json.loads(file.read_text()) for file in folder.rglob("*.json")}
    assert found
    return {place.as_posix(): {name: document[name] for name in chosen} for place, document in found.items()}


def counts(runner: Runner) -> dict[str, Any]:
    """Wait for a run to end well; returns how its stages ended, as its display tells on stderr."""
    _, said = runner.process.communicate(timeout=120)
    assert runner.process.returncode == 0, said
    endings = [line.partition("] ")[2] for line in said.splitlines() if line.startswith("[")]
    return {"done": [end for end in endings if end.startswith("done")], "said": said}


@pytest.mark.slow
@two_at_a_time
def test_kill_9_loses_only_what_was_not_finished_and_leaves_no_worker_behind(
    start: Start, grid: dict[str, Any], executor: str
) -> None:
    runner = start(synth="slow", ipc=8, executor=executor)
    wait_until(lambda: len(logged("made")) >= 3, 90)

    runner.process.send_signal(signal.SIGKILL)
    wait_until(lambda: not runner.alive(), 3 * PATIENCE)

    stored = len(list(Path("store", "synthesize").glob("??/*")))
    assert 2 <= stored < 8  # one that was just made may not have been stored yet
    begun = len(logged("began"))
    frame = ddbench.run(**grid, synth="slow", ipc=8, executor="serial")
    assert len(logged("began")) - begun == 8 - stored
    assert set(frame["status"]) == {"done"}
    assert list(Path("store", "drafts").iterdir()) == []

    ddbench.run(**grid, synth="slow", ipc=8, executor="serial", store="other", out="undisturbed")
    assert numbers(Path("results")) == numbers(Path("undisturbed"))


@pytest.mark.slow
def test_workers_end_with_their_runner_even_where_a_stage_tells_nothing(start: Start) -> None:
    runner = start(synth="slow[seconds=99.0,tells=false]", ipc=1, executor="processes[workers=1]")
    wait_until(lambda: logged("began"), 90)

    runner.process.send_signal(signal.SIGKILL)

    wait_until(lambda: not runner.alive(), 3 * PATIENCE)


@pytest.mark.slow
@two_at_a_time
def test_an_interrupt_ends_all_soon_and_the_same_command_goes_on(
    start: Start, grid: dict[str, Any], executor: str
) -> None:
    runner = start(synth="slow", ipc=6, executor=executor)
    wait_until(lambda: len(logged("made")) >= 3, 90)

    os.killpg(runner.process.pid, signal.SIGINT)  # Ctrl-C reaches the workers as well
    wait_until(lambda: runner.process.poll() is not None, 3 * PATIENCE)

    out, said = runner.process.communicate()
    assert runner.process.returncode == 130
    assert out == ""
    assert said.splitlines()[-1].startswith("Interrupted; what was done is kept")
    assert "Traceback" not in said, said
    wait_until(lambda: not runner.alive(), 1)
    artifacts = list(Store(Path("store")).artifacts())
    assert all(artifact.verify()["key"] == artifact.key for artifact in artifacts)

    stored = sum(artifact.kind == "synthesize" for artifact in artifacts)
    begun = len(logged("began"))
    frame = ddbench.run(**grid, synth="slow", ipc=6, executor="serial")
    assert len(logged("began")) - begun == 6 - stored < 6
    assert set(frame["status"]) == {"done"}
    assert list(Path("store", "drafts").iterdir()) == []


@pytest.mark.slow
def test_an_interrupt_while_workers_still_start_is_told_in_one_line(start: Start) -> None:
    runner = start(synth="slow", ipc=2, executor="processes[workers=2]")
    wait_until(lambda: len(runner.alive()) >= 3, 60)  # itself and two that import torch

    os.killpg(runner.process.pid, signal.SIGINT)

    _, said = runner.process.communicate(timeout=60)
    assert runner.process.returncode == 130
    assert "Traceback" not in said, said


@pytest.mark.slow
def test_two_runs_at_once_on_one_store_compute_each_stage_once_and_both_succeed(start: Start) -> None:
    runners = [start(synth="slow", ipc=6, executor="serial", out=out) for out in ("first", "second")]

    ends = [counts(runner) for runner in runners]

    assert sorted(logged("began")) == list(range(6))
    done = list(itertools.chain(*(end["done"] for end in ends)))
    assert len(done) == 1 + 6 + 1 + 2  # a teacher, images, labels, students: each by one of the two
    assert numbers(Path("first")) == numbers(Path("second"))
