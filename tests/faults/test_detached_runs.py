"""Runs that go on without the command that began them, with submitit's processes for jobs."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(importlib.util.find_spec("submitit") is None, reason="submitit is not installed"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes under /proc"),
]

Shell = Callable[..., tuple[int, str, str]]
MAIN = "from ddbench.cli import main; main()"
LOCAL = ("--executor", "slurm[cluster=local]", "--device", "cpu")


@pytest.fixture
def grid(toys: list[str], install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Install the held synthesizer, which waits for a file ``go``; yields options. What is left of jobs is ended."""
    source = Path(__file__).parents[1] / "ddbench_executors" / "held_synthesizer.py"
    install("held", "held_plugin", source.read_text())
    monkeypatch.setattr("ddbench_executors.slurm._LOOK_SECONDS", {"local": 0.05})
    yield ["--synth", "held", *toys[2:], "--ipc", "1", "--seeds", "0"]
    Path("go").touch()
    for path in Path("ddbench-jobs", "stages").glob("*.json"):
        pid = int(json.loads(path.read_text())["job"])
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], Any], seconds: float = 90) -> None:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"still waiting after {seconds} s"
        time.sleep(0.05)


def begin(*arguments: str) -> subprocess.Popen[bytes]:
    """Start a command as a terminal would; what it prints goes into files, since jobs hold on to them."""
    command = [sys.executable, "-c", MAIN, *arguments]
    with Path("out.txt").open("wb") as out, Path("err.txt").open("wb") as err:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)


@pytest.mark.slow
def test_a_run_that_is_left_goes_on_status_tells_how_far_and_the_same_command_writes_the_results(
    grid: list[str], shell: Shell
) -> None:
    assert begin("run", *grid, *LOCAL, "--detach", "--json").wait(timeout=60) == 0
    assert json.loads(Path("out.txt").read_text()) == {"missing": 4, "submitted": 4}
    wait_until(lambda: Path("held.log").exists())

    code, out, err = shell("status", *grid, *LOCAL, "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["counts"] == {"done": 1, "running": 1, "waiting": 2, "failed": 0, "missing": 0}
    assert [(each["kind"], each["status"]) for each in told["stages"]][:2] == [
        ("squeeze", "done"), ("synthesize", "running")
    ]  # fmt: skip
    Path("go").touch()
    code, out, err = shell("run", *grid, *LOCAL, "--json")

    assert code == 0, err
    assert [trial["status"] for trial in json.loads(out)["trials"]] == ["done"]
    assert len(Path("held.log").read_text().splitlines()) == 1
    assert shell("status", *grid, *LOCAL)[1].splitlines()[-1] == (
        "4 of 4 stages done; 'ddbench run' with the same options shows the results"
    )


FAR = """
from dataclasses import dataclass
from typing import ClassVar
from ddbench import hookimpl
from ddbench_executors.serial import Serial

@dataclass(frozen=True)
class Far(Serial):
    elsewhere: ClassVar[bool] = True

@hookimpl
def ddbench_executors():
    return {"far": Far}
"""


@pytest.mark.skipif(importlib.import_module("torch").cuda.is_available(), reason="looks for a device that is not here")
def test_a_device_that_workers_elsewhere_have_is_not_looked_for_here_but_to_tell_estimates(
    toys: list[str], install: Callable[..., Path], shell: Shell
) -> None:
    install("far", "far_plugin", FAR)
    toys = [*toys, "--executor", "far", "--device", "cuda"]

    code, _, err = shell("run", *toys, "--quiet")
    assert code == 3
    assert err.startswith("failed: teacher toy-teacher: device 'cuda' cannot be used: ")  # by the worker, who has none

    code, out, err = shell("plan", *toys)
    assert (code, out) == (2, "")
    assert err.startswith("Error: device 'cuda' cannot be used: ")
    assert len(err.splitlines()) == 1


# -------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_workers_that_end_with_the_command_cannot_be_left(toys: list[str], shell: Shell, executor: str) -> None:
    code, out, err = shell("run", *toys, "--detach", "--executor", executor, "--device", "cpu")
    assert (code, out) == (2, "")
    assert err == (
        f"Error: the workers of executor '{executor}' end with this command: use --executor slurm, or keep the command "
        "running (tmux, nohup)\n"
    )
    assert not Path("results").exists()


def test_status_of_a_run_of_another_executor_is_what_store_and_results_tell(toys: list[str], shell: Shell) -> None:
    toys = [*toys, "--executor", "serial", "--device", "cpu", "--evaluator", "toy-exam[nan=true]"]
    assert json.loads(shell("status", *toys, "--json")[1])["counts"]["missing"] == 6

    assert shell("run", *toys)[0] == 3
    code, out, _ = shell("status", *toys, "--json")

    told = json.loads(out)
    assert code == 3
    assert told["counts"] == {"done": 4, "running": 0, "waiting": 0, "failed": 2, "missing": 0}
    assert {each["error"].partition(":")[0] for each in told["stages"] if "error" in each} == {"FloatingPointError"}
