"""Slurm: the scripts that it is given, who waits for whom, and what becomes of jobs that die or are preempted."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ddbench.errors import UserError
from ddbench.frontier import StageFrontier
from ddbench.registry import registry
from ddbench.spec import Spec
from ddbench.types import Event, Stage
from ddbench_executors import extras
from ddbench_executors.slurm import Slurm
from ddbench_executors.slurm_errand import Errand
from ddbench_executors.slurm_files import Files, Ticket
from ddbench_executors.slurm_jobs import Jobs

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(importlib.util.find_spec("submitit") is None, reason="submitit is not installed"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the stand-in for Slurm is Linux's"),
]

Run = Callable[..., Any]


def stage(key: str, of: tuple[str, ...] = (), **facts: Any) -> Stage:
    """Return a stage that writes into a log."""
    inputs = {f"input.{number}": each for number, each in enumerate(of)}
    return Stage("synthesize", {"log": "log", **facts}, inputs, key, {}, f"stage {key}")


def frontier(*stages: Stage) -> StageFrontier:
    """Return a frontier in which all of the stages are needed."""
    return StageFrontier({each.key: each for each in stages}, {each.key for each in stages})


def log() -> list[list[str]]:
    """Return key and attempt of each start, in order."""
    return [line.split()[:2] for line in Path("log").read_text().splitlines()] if Path("log").exists() else []


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> None:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"still waiting after {seconds} s"
        time.sleep(0.02)


@pytest.fixture
def slurm(do: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put the stand-in for Slurm on the path; yields the folder of its files, and of the scripts it was given."""
    import submitit

    home = tmp_path / "slurm"
    home.mkdir()
    monkeypatch.setenv("FAKE_SLURM", str(home))
    monkeypatch.setenv("PATH", str(home), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    subprocess.run(
        [sys.executable, "-c", f"import fake_slurm, pathlib; fake_slurm.install(pathlib.Path({str(home)!r}))"],
        check=True,
    )
    monkeypatch.setattr("ddbench_executors.slurm._LOOK_SECONDS", {"slurm": 0.05, "local": 0.05})
    monkeypatch.setattr("ddbench_executors.slurm_states._QUEUE_SECONDS", 0)
    monkeypatch.setattr(submitit.SlurmJob, "watcher", type(submitit.SlurmJob.watcher)(delay_s=0))
    yield home
    subprocess.run(["scancel", *(path.stem for path in home.glob("*.state"))], check=True)


def scripts(home: Path) -> list[str]:
    return [path.read_text() for path in sorted(home.glob("*.sbatch"))]


def options(script: str) -> dict[str, str]:
    """Return the options of a script by name."""
    found = re.findall(r"^#SBATCH --([a-z-]+)(?:=(.*))?$", script, re.MULTILINE)
    return {name: value.strip("'") for name, value in found}


CHAIN = (stage("a"), stage("b"), stage("c", ("a", "b")), stage("d", ("c",)))


def test_stages_whose_inputs_are_there_are_one_array_and_those_they_set_free_the_next(
    slurm: Path, run_all: Run, do: Any
) -> None:
    outcomes, events = run_all(Slurm(), do.obey, *CHAIN)

    assert [outcome.stage.key for outcome in outcomes] == ["a", "b", "c", "d"]
    assert {outcome.meta["OMP_NUM_THREADS"] for outcome in outcomes} == {"1"}
    assert [options(script).get("array") for script in scripts(slurm)] == ["0-1%2", None, None]
    assert {event.stage.key for event in events if event.name == "stage-started"} == set("abcd")


def test_the_script_says_what_the_parameters_say(slurm: Path, run_all: Run, do: Any) -> None:
    text = (
        "slurm[partition=gpu,account=lab,qos=low,constraint=h100,gres=gpu:1,mem=16G,time=1-02:30:00,cpus_per_stage=4,"
        "gpus_per_stage=1,parallel=8,sbatch=(nice=10,exclusive=true)]"
    )
    run_all(registry().resolve("executor", Spec.parse(text)).component, do.obey, stage("a"), stage("b"))

    told = options(scripts(slurm)[0])
    expected = {
        "partition": "gpu", "account": "lab", "qos": "low", "constraint": "h100", "gres": "gpu:1", "mem": "16G",
        "time": "1590", "cpus-per-task": "4", "gpus-per-node": "1", "array": "0-1%2", "nice": "10", "exclusive": "",
        "requeue": "", "job-name": "ddbench", "signal": "USR2@90", "open-mode": "append",
    }  # fmt: skip
    assert told.items() >= expected.items()
    assert "mem-per-cpu" not in told


def test_detached_levels_wait_for_each_other_and_the_same_stages_are_not_handed_over_twice(
    slurm: Path, run_all: Run, do: Any
) -> None:
    first, *others = stage("a", until="go"), *CHAIN[1:]
    executor = Slurm()

    assert executor.submit(do.obey, [first, *others]) == 4
    wait_until(lambda: ["a", "1"] in log())
    assert executor.submit(do.obey, [first, *others]) == 0
    assert [options(script).get("dependency") for script in scripts(slurm)[:3]] == [
        None, "afterany:1000", "afterany:1001"
    ]  # fmt: skip
    told = executor.standing([first, *others])
    assert {key: standing.status for key, standing in told.items()} == {
        "a": "running", "b": "waiting", "c": "waiting", "d": "waiting"
    }  # fmt: skip

    Path("go").touch()
    outcomes, _ = run_all(executor, do.obey, first, *others)

    ended = [outcome.stage.key for outcome in outcomes if outcome.status == "done"]
    assert [*sorted(ended[:2]), *ended[2:]] == ["a", "b", "c", "d"]
    assert sorted(log()) == [[key, "1"] for key in "abcd"]


def test_a_stage_that_reads_a_detached_failure_fails_with_its_words_and_is_not_run(slurm: Path, do: Any) -> None:
    stages = stage("a", fail=True), stage("b"), stage("c", ("a", "b")), stage("d", ("c",))
    executor = Slurm()

    executor.submit(do.obey, stages)
    wait_until(lambda: executor.standing(stages).keys() == {"a", "c", "d"} and not running(executor, stages))

    assert {each.error for each in executor.standing(stages).values()} == {"told to fail"}
    assert sorted(log()) == [["a", "1"], ["b", "1"]]


def running(executor: Slurm, stages: tuple[Stage, ...]) -> bool:
    return any(each.status != "failed" for each in executor.standing(stages).values())


def test_a_job_that_dies_costs_one_attempt_one_that_always_dies_fails_by_name_and_a_failure_is_final(
    slurm: Path, run_all: Run, do: Any
) -> None:
    stages = stage("once", die=1), stage("always", die=9), stage("fails", fail=True), stage("sound")

    outcomes, events = run_all(Slurm(), do.obey, *stages)

    ends = {outcome.stage.key: outcome for outcome in outcomes}
    assert {key: (end.status, end.stage.attempt) for key, end in ends.items()} == {
        "once": ("done", 2), "always": ("failed", 2), "fails": ("failed", 1), "sound": ("done", 1)
    }  # fmt: skip
    assert re.match(r"its job [\d_]+ ended without an outcome \(FAILED\); see .*, 2 times", ends["always"].error)
    assert sorted(log()) == [
        ["always", "1"],
        ["always", "2"],
        ["fails", "1"],
        ["once", "1"],
        ["once", "2"],
        ["sound", "1"],
    ]
    warned = [event.payload["message"] for event in events if event.name == "warning"]
    assert [message.partition(":")[0] for message in sorted(warned)] == ["stage always", "stage once"]


def test_a_preempted_job_is_requeued_and_loses_the_stage_it_was_at_alone(slurm: Path, do: Any) -> None:
    stages = stage("a"), stage("b", until="go")
    executor = Slurm()
    executor.submit(do.obey, stages)
    wait_until(lambda: ["b", "1"] in log())

    subprocess.run(["scancel", "1000_1", "--signal", "TERM"], check=True)
    subprocess.run(["scancel", "1000_1", "--signal", "USR2"], check=True)
    wait_until(lambda: ["b", "2"] in log())
    Path("go").touch()
    wait_until(lambda: not executor.standing(stages))

    assert sorted(log()) == [["a", "1"], ["b", "1"], ["b", "2"]]


def test_leaving_ends_the_jobs_that_were_submitted(slurm: Path, do: Any) -> None:
    outcomes = Slurm().map(do.obey, frontier(stage("a", until="never")), interrupt)

    with pytest.raises(KeyboardInterrupt):
        next(outcomes)

    assert (slurm / "1000.state").read_text().startswith("CANCELLED")
    pid = int(Path("log").read_text().split()[2])
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text(), 5)


def interrupt(event: Any) -> None:
    """Do as Ctrl-C would once a stage has told that it is begun."""
    wait_until(log)
    raise KeyboardInterrupt


def test_jobs_that_are_submitted_when_ctrl_c_comes_are_ended_too(
    slurm: Path, do: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Files, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(Slurm().map(do.obey, frontier(stage("a", until="never"), stage("b")), print))
    assert {(slurm / f"1000_{index}.state").read_text()[:9] for index in (0, 1)} == {"CANCELLED"}


# -------------------------------------------------------------------------------------------- clusters as they are


def test_what_sbatch_refuses_is_one_line_that_says_why(slurm: Path, do: Any) -> None:
    (slurm / "limit").write_text("1")
    with pytest.raises(UserError, match=r"^sbatch refuses 2 jobs: Batch job failed: too many jobs; see"):
        next(Slurm().map(do.obey, frontier(stage("a"), stage("b")), print))
    with pytest.raises(UserError, match="too many jobs"):
        Slurm().submit(do.obey, [stage("a"), stage("b")])


def test_what_a_limit_of_jobs_refuses_is_submitted_when_others_have_ended(slurm: Path, run_all: Run, do: Any) -> None:
    (slurm / "limit").write_text("1")

    outcomes, events = run_all(Slurm(array=1), do.obey, stage("a"), stage("b"), stage("c"))

    assert sorted((outcome.stage.key, outcome.status) for outcome in outcomes) == [(key, "done") for key in "abc"]
    assert sorted(log()) == [[key, "1"] for key in "abc"]
    assert sum(event.name == "warning" for event in events) == 1


def test_a_job_that_cannot_even_begin_its_stage_fails_it_by_name(slurm: Path, run_all: Run, do: Any) -> None:
    [outcome], _ = run_all(Slurm(), do.obey, stage("a", thing=do.Unreadable()))

    assert outcome.status == "failed"
    assert re.match(
        r"its job 1001 ended without an outcome \(ValueError: .*nonsense.*\); see .*, 2 times", outcome.error
    )


def test_a_job_that_dies_is_noticed_where_there_is_no_accounting(slurm: Path, run_all: Run, do: Any) -> None:
    (slurm / "no-accounting").touch()

    outcomes, _ = run_all(Slurm(), do.obey, stage("once", die=1))

    assert [(outcome.status, outcome.stage.attempt) for outcome in outcomes] == [("done", 2)]


def test_a_runner_that_is_in_a_job_itself_hands_nothing_of_it_on(
    slurm: Path, run_all: Run, do: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "4096")  # srun refuses it beside what the job asks for itself
    [outcome], _ = run_all(Slurm(), do.obey, stage("a"))
    assert (outcome.status, outcome.meta["SLURM_MEM_PER_NODE"]) == ("done", None)
    assert os.environ["SLURM_MEM_PER_NODE"] == "4096"


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        ("SUSPENDED", "running"),
        ("CONFIGURING", "waiting"),
        ("REQUEUE_HOLD", "waiting"),
        ("PREEMPTED", "failed"),
        ("COMPLETED", "running"),  # what it wrote is still on its way through the network
        ("NODE_FAIL", "failed"),
    ],
)
def test_a_state_of_slurms_is_taken_for_what_it_is(slurm: Path, state: str, standing: str) -> None:
    (slurm / "7.state").write_text(state)
    jobs = Jobs(Path("ddbench-jobs").absolute(), "slurm")
    jobs.files.clear(())
    jobs.files.write(Ticket("a", "7", 1))
    assert jobs.standings(["a"])["a"].status == standing


def test_slurm_is_asked_once_for_many_jobs(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import submitit

    monkeypatch.setattr(submitit.SlurmJob, "watcher", type(submitit.SlurmJob.watcher)())
    jobs = Jobs(Path("ddbench-jobs").absolute(), "slurm")
    jobs.files.clear(())
    for index in range(5):
        (slurm / f"7_{index}.state").write_text("RUNNING")
        jobs.files.write(Ticket(f"k{index}", f"7_{index}", 1))

    told = Slurm().standing([stage(f"k{index}") for index in range(5)])

    assert [each.status for each in told.values()] == ["running"] * 5
    assert len((slurm / "sacct.log").read_text().splitlines()) == 1


def test_a_job_that_dies_late_in_a_long_run_is_noticed_within_a_minute(
    slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import submitit

    monkeypatch.setattr(submitit.SlurmJob, "watcher", type(submitit.SlurmJob.watcher)(delay_s=600))
    jobs, state = Jobs(Path("ddbench-jobs").absolute(), "slurm"), slurm / "7.state"
    state.write_text("RUNNING")
    jobs.files.clear(())
    jobs.files.write(Ticket("a", "7", 1))
    assert jobs.standings(["a"])["a"].status == "running"
    submitit.SlurmJob.watcher._start_time -= 3600  # when the last job was submitted
    submitit.SlurmJob.watcher._last_status_check -= 300
    state.write_text("OUT_OF_MEMORY")
    assert jobs.standings(["a"])["a"].status == "running"
    jobs._asked -= 60
    assert jobs.standings(["a"])["a"].status == "failed"


def test_what_a_job_tells_that_begins_at_once_is_heard_and_half_a_line_of_a_killed_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, told = Jobs(tmp_path, "slurm"), stage("a")
    jobs.files.clear(())
    jobs.files.note(Event("warning", told, {"message": "of an earlier job"}))

    def begin_at_once(errands: Any, *_: Any) -> list[Any]:
        (tmp_path / "stages" / "a.events").write_text('["stage-star')
        jobs.files.note(Event("stage-started", told))
        jobs.files.note(Event("stage-progress", told, {"done": 1, "total": 2}))
        return [type("Job", (), {"job_id": "7"})]

    monkeypatch.setattr(jobs, "_submitted", begin_at_once)
    jobs.submit([Errand(print, told, tmp_path, "slurm")], {})  # type: ignore[arg-type]  # it is not called

    assert [event.name for event in jobs.files.news(told)] == ["stage-progress"]


@pytest.mark.parametrize(
    ("time", "minutes"),
    [(30, 30), ("30:00", 30), ("0:30", 1), ("1:30:00", 90), ("1-2", 1560), ("1-02:30", 1590), ("1-02:30:01", 1591)],
)
def test_a_time_is_read_as_sbatch_reads_it(time: str | int, minutes: int) -> None:
    assert Slurm(time=time)._settings()["time"] == minutes


# -------------------------------------------------------------------------------------------- local mode

MAPPED = """
import signal, executor_work
from ddbench.frontier import StageFrontier
from ddbench.types import Stage
from ddbench_executors.slurm import Slurm

signal.signal(signal.SIGINT, signal.default_int_handler)  # as from a terminal, though the tests run in the background
held = Stage("synthesize", {"log": "log", "until": "go"}, {}, "a", {}, "stage a")
list(Slurm(cluster="local").map(executor_work.obey, StageFrontier({"a": held}, {"a"}), lambda event: None))
"""


@pytest.fixture
def runner(do: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """Start a runner whose one job is a process of this machine, at work until there is a file ``go``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ddbench_executors.slurm._LOOK_SECONDS", {"slurm": 0.05, "local": 0.05})
    process = subprocess.Popen([sys.executable, "-c", MAPPED], stderr=subprocess.DEVNULL)
    wait_until(log)
    yield process
    Path("go").touch()
    process.kill()
    process.wait()


def test_a_job_outlives_a_runner_that_is_killed_and_the_next_one_takes_it_up(
    runner: subprocess.Popen[bytes], run_all: Run, do: Any
) -> None:
    runner.kill()
    runner.wait()
    assert Slurm(cluster="local").standing([stage("a")])["a"].status == "running"
    Path("go").touch()

    outcomes, _ = run_all(Slurm(cluster="local"), do.obey, stage("a"))

    assert [(outcome.status, outcome.meta["attempt"]) for outcome in outcomes] == [("done", 1)]
    assert log() == [["a", "1"]]


def test_ctrl_c_ends_a_job_of_this_machine_with_its_runner(runner: subprocess.Popen[bytes]) -> None:
    pid = int(Path("log").read_text().split()[2])
    runner.send_signal(signal.SIGINT)
    runner.wait(timeout=20)
    assert not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text()


def test_a_process_that_has_the_number_of_a_job_that_is_gone_is_not_taken_for_it(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs", "local")
    jobs.files.clear(())
    jobs.files.write(Ticket("a", str(os.getpid()), 1))
    assert jobs.standings(["a"])["a"].status == "failed"


def test_a_job_of_this_machine_sees_the_gpus_that_it_asks_for(tmp_path: Path) -> None:
    settings = Slurm(cluster="local", gpus_per_stage=2)._settings()
    assert Jobs(tmp_path, "local")._executor(settings, ()).parameters["gpus_per_node"] == 2


# -------------------------------------------------------------------------------------------- refusals


def test_without_slurm_or_submitit_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match=r"finds no 'sbatch' here.*slurm\[cluster=local\]"):
        Slurm().require()
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package 'submitit': pip install 'ddbench\[slurm\]'"):
        Slurm(cluster="local").require()


@pytest.mark.parametrize(
    "text",
    [
        "slurm[time=soon]",
        "slurm[sbatch=(dependency=afterok:1,)]",
        "slurm[sbatch=(--nice=3,)]",
        "slurm[gpus_per_stage=0.5]",
    ],
)
def test_parameters_that_cannot_work_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="executor 'slurm"):
        registry().resolve("executor", Spec.parse(text))
