"""A synthesizer that takes its time and leaves a trace, runners in processes of their own, and who is still alive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SLOW = '''
import os
import time
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Gt

from ddbench import hookimpl
from ddbench.testing.toys import ToySynth


@hookimpl
def ddbench_synthesizers():
    return {"slow": Slow}


@dataclass(frozen=True)
class Slow:
    """Takes its time, and writes down which index it began and which it finished."""

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = True

    seconds: Annotated[float, Gt(0)] = 0.3
    tells: bool = True

    def synthesize(self, task):
        self._log("began", task.indices[0])
        for step in range(10):
            time.sleep(self.seconds / 10)
            if self.tells:
                task.compute.progress(step + 1, 10, loss=1.0)
        yield from ToySynth().synthesize(task)
        self._log("made", task.indices[0])

    def _log(self, what, index):
        with open(os.environ["SLOW_LOG"], "a") as log:
            log.write(f"{what} {index}\\n")
'''
GRID: dict[str, Any] = {
    "eval": "toy-net",
    "dataset": "toy",
    "seeds": "0-1",
    "teacher": "toy-teacher",
    "labels": "toy-labels",
    "evaluator": "toy-exam",
}


@dataclass(frozen=True)
class Runner:
    """``ddbench run`` in a session of its own, as a terminal would start it."""

    process: subprocess.Popen[str]

    def alive(self) -> set[int]:
        """Return the processes of the session that have not ended."""
        return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and self._has(entry)}

    def _has(self, entry: Path) -> bool:
        try:
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return int(session) == self.process.pid and state != "Z"


Start = Callable[..., Runner]


@pytest.fixture
def grid(toys: list[str], install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Install the slow synthesizer; returns the options of a run."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("looks for processes under /proc")
    install("slow", "slow_plugin", SLOW)
    monkeypatch.setenv("SLOW_LOG", str(Path("slow.log").absolute()))
    Path("slow.log").touch()
    return dict(GRID)


@pytest.fixture
def start(grid: dict[str, Any]) -> Iterator[Start]:
    """Return a function that starts ``ddbench run`` with some options; whatever is left of it is killed at the end."""
    runners: list[Runner] = []

    def start(**options: Any) -> Runner:
        written = [part for name, value in {**grid, **options}.items() for part in (f"--{name}", str(value))]
        command = [sys.executable, "-c", "from ddbench.cli import main; main()", "run", "--json", *written]
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
        for pid in runner.alive():
            os.kill(pid, 9)
        runner.process.communicate()


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
