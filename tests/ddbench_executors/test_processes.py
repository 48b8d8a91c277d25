"""Workers: what they are given, what they tell, and what their death costs. No component runs here, only functions."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ddbench.frontier import StageFrontier
from ddbench.types import Event, Outcome, Stage
from ddbench_executors import machine
from ddbench_executors.processes import Processes
from ddbench_executors.serial import Serial


def stage(key: str, **inputs: str) -> Stage:
    """Return a stage whose facts say what the work function shall do."""
    return Stage("synthesize", {}, inputs, key, {}, f"stage {key}")


def frontier(*stages: Stage) -> StageFrontier:
    """Return a frontier in which all of the stages are needed."""
    return StageFrontier({each.key: each for each in stages}, {each.key for each in stages})


def run(executor: Processes | Serial, work: object, stages: tuple[Stage, ...]) -> tuple[list[Outcome], list[Event]]:
    """Run stages to their ends; returns outcomes and events."""
    events: list[Event] = []
    outcomes = []
    left = frontier(*stages)
    for outcome in executor.map(work, left, events.append):  # type: ignore[arg-type]  # the functions below
        left.settle(outcome)
        outcomes.append(outcome)
    return outcomes, events + [Event("stage-finished", each.stage, {"outcome": each}) for each in left.skipped]


CHAIN = (stage("a"), stage("b", teacher="a"), stage("c", teacher="b"), stage("d"))


@pytest.mark.parametrize(("executor", "here"), [(Serial(), True), (Processes(workers=1), False)])
def test_inputs_run_before_the_stages_that_read_them_and_events_come_home(
    do: Any, executor: Processes | Serial, here: bool
) -> None:
    outcomes, events = run(executor, do.name_worker, CHAIN)

    order = [outcome.stage.key for outcome in outcomes]
    assert sorted(order) == ["a", "b", "c", "d"]
    assert order.index("a") < order.index("b") < order.index("c")
    assert {outcome.meta["threads"] for outcome in outcomes} == {1}
    assert {outcome.meta["pid"] == os.getpid() for outcome in outcomes} == {here}
    assert Counter(event.name for event in events) == {"stage-started": 4}


def test_serial_skips_what_reads_a_failure_and_goes_on_with_the_rest(do: Any) -> None:
    outcomes, events = run(Serial(), do.fail_a, CHAIN)

    assert {outcome.stage.key: outcome.status for outcome in outcomes} == {"a": "failed", "d": "done"}
    assert [event.payload["outcome"].error for event in events] == ["no", "no"]


def test_serial_gives_torch_its_threads_back(do: Any) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        outcomes, _ = run(Serial(), do.name_worker, (stage("a"),))
        assert outcomes[0].meta["threads"] == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_one_attempt_and_one_that_always_dies_fails_by_name(
    do: Any, tmp_path: Path
) -> None:
    once = str(tmp_path / "once")

    outcomes, events = run(Processes(workers=1), do.die_by_name, (stage(once), stage("always"), stage("sound")))

    ends = {outcome.stage.key: outcome for outcome in outcomes}
    assert {key: end.status for key, end in ends.items()} == {once: "done", "always": "failed", "sound": "done"}
    assert {key: end.stage.attempt for key, end in ends.items()} == {once: 2, "always": 2, "sound": 1}
    assert ends["always"].error.startswith("its worker died with exit code -9, 2 times")
    told = [event.payload["message"] for event in events if event.name == "warning"]
    assert told == [f"stage {key}: its worker died with exit code -9; trying once more" for key in (once, "always")]


@pytest.mark.slow
def test_a_worker_that_dies_while_idle_is_replaced(do: Any) -> None:
    left = frontier(stage("a"), stage("b", teacher="a"))
    outcomes = []
    for outcome in Processes(workers=1).map(do.name_worker, left, lambda event: None):
        left.settle(outcome)
        outcomes.append(outcome)
        if len(outcomes) == 1:
            os.kill(outcome.meta["pid"], signal.SIGKILL)
            time.sleep(0.3)  # until its end of the pipe is closed

    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    assert outcomes[0].meta["pid"] != outcomes[1].meta["pid"]


def test_what_a_worker_prints_does_not_come_between_what_the_runner_prints(
    do: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    run(Processes(workers=1), do.think_aloud, (stage("a"),))
    assert capfd.readouterr() == ("", "thinking aloud\n")


@pytest.mark.slow
def test_a_worker_that_dies_is_noticed_even_where_a_process_that_it_forked_lives_on(do: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    begun = time.monotonic()

    outcomes, _ = run(
        Processes(workers=1), do.die_before_its_child, (Stage("synthesize", {"log": str(log)}, {}, "a", {}, "a"),)
    )

    assert [(outcome.status, outcome.stage.attempt) for outcome in outcomes] == [("done", 2)]
    assert time.monotonic() - begun < 60
    os.kill(int(log.read_text()), signal.SIGKILL)


def test_workers_end_when_the_runner_stops_listening(do: Any) -> None:
    outcomes = Processes(workers=1).map(do.name_worker, frontier(*CHAIN), lambda event: None)
    pid = next(outcomes).meta["pid"]

    outcomes.close()  # type: ignore[attr-defined]  # it is a generator

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("device", "seen", "workers"), [("auto", {"3", "5"}, 2), ("cuda", {"3", "5"}, 2), ("cuda:1", {None}, 1)]
)
def test_there_is_a_worker_for_each_gpu_unless_one_is_named(
    do: Any, monkeypatch: pytest.MonkeyPatch, device: str, seen: set[str | None], workers: int
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "gpus", lambda: ["3", "5"])  # as on a machine with two
    left = frontier(*(stage(key) for key in "abcd"))
    outcomes = []
    for outcome in Processes().map(do.name_gpu, left, lambda _event: None, device):
        left.settle(outcome)
        outcomes.append(outcome)

    assert {outcome.meta["gpu"] for outcome in outcomes} == seen
    assert len({outcome.meta["pid"] for outcome in outcomes}) == workers


@pytest.mark.parametrize(("device", "cores", "gpus"), [("cpu", 1, []), ("auto", 8, ["0"])])
def test_where_one_worker_would_do_stages_run_in_this_process(
    do: Any, monkeypatch: pytest.MonkeyPatch, device: str, cores: int, gpus: list[str]
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: cores)
    monkeypatch.setattr(machine, "gpus", lambda: gpus)
    outcomes = Processes().map(do.name_worker, frontier(stage("a")), lambda _event: None, device)
    assert next(outcomes).meta["pid"] == os.getpid()


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000", 4), ("200000 100000", 2), ("50000 100000", 1), ("nonsense", 4), ("900000 100000", 4)],
)
def test_the_time_that_a_container_is_given_limits_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, cores: int
) -> None:
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    monkeypatch.setattr(machine, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(4)), raising=False)
    assert machine.cores() == cores


@pytest.mark.slow
def test_pools_of_threads_have_one_thread_from_the_start_of_a_worker(
    do: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    told = Stage("synthesize", {"log": str(tmp_path / "log")}, {}, "a", {}, "stage a")
    outcomes, _ = run(Processes(workers=1), do.obey, (told,))
    assert outcomes[0].meta["OMP_NUM_THREADS"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "4"


def test_a_worker_that_is_starting_when_ctrl_c_comes_is_ended_too(do: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    start = multiprocessing.process.BaseProcess.start

    def interrupted(process: Any) -> None:
        start(process)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run in the background
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(Processes(workers=1), do.name_worker, (stage("a"),))
    finally:
        signal.signal(signal.SIGINT, before)
    assert multiprocessing.active_children() == []


FIRST_WORKER = """
import re, signal
from pathlib import Path
from ddbench_executors.processes import _Pool

if __name__ == "__main__":
    pool = _Pool(print, 1, [])
    status = Path(f"/proc/{pool._start().process.pid}/status").read_text()
    print(int(re.search(r"SigBlk:\\s*(\\w+)", status)[1], 16) >> (signal.SIGINT - 1) & 1)
    pool.close()
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads what a process blocks from /proc")
def test_the_first_worker_of_a_process_never_hears_ctrl_c_either(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(FIRST_WORKER)
    ended = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=True)
    assert ended.stdout == "1\n"
