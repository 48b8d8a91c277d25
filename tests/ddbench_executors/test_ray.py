"""Ray: nodes and workers that are lost, errors that are final, what stages ask for, and who may listen."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ddbench
from ddbench.errors import UserError
from ddbench.registry import registry
from ddbench.spec import Spec
from ddbench.store import Store
from ddbench.types import Stage
from ddbench_executors import extras, ray_cluster, ray_session
from ddbench_executors.ray_cluster import Ray
from ddbench_executors.ray_requests import Request, by_kind
from ddbench_executors.ray_session import session

installed = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
GRID: dict[str, Any] = {
    "synth": "held",
    "eval": "toy-net",
    "dataset": "toy",
    "ipc": 2,
    "seeds": "0-1",
    "teacher": "toy-teacher",
    "labels": "toy-labels",
    "evaluator": "toy-exam",
    "device": "cpu",
}

Run = Callable[..., Any]


def stage(key: str, of: tuple[str, ...] = (), **facts: Any) -> Stage:
    """Return a stage that writes into a log."""
    inputs = {f"input.{number}": each for number, each in enumerate(of)}
    return Stage("synthesize", {"log": "log", **facts}, inputs, key, {}, f"stage {key}")


def log() -> list[tuple[str, str]]:
    """Return key and attempt of each start, in order of keys."""
    return sorted((line.split()[0], line.split()[1]) for line in Path("log").read_text().splitlines())


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give Ray a home and a folder for temporary files of its own, short as its sockets need it."""
    folder = Path(tempfile.mkdtemp(prefix="dd"))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield folder
    shutil.rmtree(folder)


# -------------------------------------------------------------------------------------------- two nodes


@pytest.mark.slow
@pytest.mark.ray
@installed
def test_a_node_that_is_killed_with_a_stage_on_it_costs_one_attempt_and_the_table_is_that_of_serial(
    toys: list[str], install: Callable[..., Path], scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert toys
    here = Path(__file__).parent
    install("held", "held_plugin", (here / "held_synthesizer.py").read_text())
    (scratch / "token").touch(mode=0o600)
    (scratch / "token").write_text("t" * 64)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(scratch / "token"))
    monkeypatch.setenv("RAY_TMPDIR", str(scratch))

    command = [sys.executable, str(here / "ray_two_nodes.py"), json.dumps(GRID)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)

    assert run.returncode == 0, run.stderr
    lost = int(Path("lost").read_text())
    shards = [found.meta() for found in Store(Path("store")).artifacts() if found.kind == "synthesize"]
    assert {meta["facts"]["index"]: meta["cost"]["attempts"] for meta in shards} == {lost: 2, 1 - lost: 1}
    begun = Counter(line.split()[0] for line in Path("held.log").read_text().splitlines())
    assert begun == {str(lost): 2, str(1 - lost): 1}

    serial = ddbench.run(**GRID, executor="serial", store="other", out="undisturbed")
    columns = ["synthesizer", "ipc", "evaluation_seed", "status", "top1", "loss"]
    assert json.loads(run.stdout.splitlines()[-1]) == serial[columns].to_dict("records")
    documents = [json.loads(path.read_text()) for path in Path("results").rglob("*.json")]
    assert {document["costs"]["synthesize"]["attempts"] for document in documents} == {3}


# -------------------------------------------------------------------------------------------- one machine

ALONE = """
import json, os, sys, executor_work
from pathlib import Path
from ddbench.testing.conformance import check_executor
from ddbench.frontier import StageFrontier
from ddbench.types import Stage
from ddbench_executors.ray_cluster import Ray
from ddbench_executors.ray_mailbox import open_mailbox
from ddbench_executors.ray_session import session

def stage(key, of=(), **facts):
    return Stage("synthesize", {"log": "log", **facts}, dict(enumerate(of)), key, {}, f"stage {key}")

def listening(inode):
    tables = [Path("/proc/net", name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    return [row.split()[1].rpartition(":")[0] for table in tables for row in table
            if row.split()[3] == "0A" and row.split()[9] in inode]

def sockets():
    own, found = os.getsid(0), set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == own:
                links = [os.readlink(file) for file in (entry / "fd").iterdir()]
                found |= {link[8:-1] for link in links if link.startswith("socket:")}
        except OSError:
            continue
    return found

def processes_of(name):
    found = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [int(entry.name) for entry in found if (entry / "cmdline").read_bytes().startswith(name)
            and os.getsid(int(entry.name)) == os.getsid(0)]

with session("", unguarded=False, gpus=False, retries=1):
    addresses = sorted(set(listening(sockets())))
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    modes = [oct(path.stat().st_mode & 0o777) for path in (token, token.parent)]
    stages = [stage("once", die=1), stage("always", die=9), stage("fails", fail=True), stage("sound"),
              stage("after", ("once", "sound")), stage("never", ("fails",)),
              stage("unread", thing=executor_work.Unreadable())]
    left, events = StageFrontier({each.key: each for each in stages}, {each.key for each in stages}), []
    ends = {}
    for outcome in Ray(cpus_per_stage=0.5, max_retries=1).map(executor_work.obey, left, events.append, "cpu"):
        left.settle(outcome)
        ends[outcome.stage.key] = [outcome.status, outcome.meta.get("attempt"), outcome.meta.get("OMP_NUM_THREADS"),
                                   outcome.error]
    check_executor(Ray(cpus_per_stage=0.5, max_retries=0))
    import ray  # not sooner, or it would listen elsewhere

    mailbox = open_mailbox()
    ray.get(mailbox.post.remote("lost"))
    for pid in processes_of(b"ray::Mailbox"):
        os.kill(pid, 9)
    kept = ray.get(mailbox.fetch.remote(), timeout=60)
print(json.dumps({"addresses": addresses, "modes": modes, "ends": ends, "folder": str(token.parent), "kept": kept,
                  "events": [[event.name, event.stage.key] for event in events]}))
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Run stages that die, fail and succeed on a Ray of this machine; returns what came of it."""
    home, scratch = tmp_path_factory.mktemp("alone"), Path(tempfile.mkdtemp(prefix="dd"))
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"PYTHONPATH": path, "HOME": str(home), "TMPDIR": str(scratch)}
    (home / "alone.py").write_text(ALONE)
    run = subprocess.run(
        [sys.executable, "-W", "error", "alone.py"],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        start_new_session=True,
    )
    assert run.returncode == 0, run.stderr
    lines = (home / "log").read_text().splitlines()
    told: dict[str, Any] = json.loads(run.stdout)  # one document, and nothing that Ray prints beside it
    yield told | {"log": sorted(line.split()[0] for line in lines), "home": home, "said": run.stderr}
    shutil.rmtree(scratch)


@pytest.mark.slow
@pytest.mark.ray
@installed
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads who listens from /proc")
def test_a_ray_that_is_started_listens_on_loopback_alone_and_its_token_is_this_users_alone(
    alone: dict[str, Any],
) -> None:
    loopback = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert alone["addresses"]
    assert set(alone["addresses"]) <= loopback
    assert alone["modes"] == ["0o600", "0o700"]
    assert not Path(alone["folder"]).exists()
    assert not (alone["home"] / ".ray").exists()
    assert alone["said"] == ""


@pytest.mark.slow
@pytest.mark.ray
@installed
def test_a_worker_that_dies_costs_one_attempt_an_error_is_final_and_stages_wait_for_their_inputs(
    alone: dict[str, Any],
) -> None:
    assert {key: end[:3] for key, end in alone["ends"].items()} == {
        "once": ["done", 2, "1"],
        "always": ["failed", None, None],
        "fails": ["failed", None, None],
        "sound": ["done", 1, "1"],
        "after": ["done", 1, "1"],
        "unread": ["failed", None, None],
    }
    assert alone["ends"]["always"][3].startswith("its worker or machine was lost, 2 times (WorkerCrashedError: ")
    assert alone["ends"]["fails"][3] == "told to fail"
    assert alone["ends"]["unread"][3].startswith("its worker could not begin it (ValueError: ")
    assert alone["log"] == ["after", "always", "always", "fails", "once", "once", "sound"]
    told = Counter(tuple(event) for event in alone["events"])
    assert told[("stage-started", "after")] == told[("stage-progress", "after")] == 1
    assert told[("warning", "once")] == told[("warning", "always")] == 1


@pytest.mark.slow
@pytest.mark.ray
@installed
def test_the_mailbox_is_begun_anew_when_its_process_is_killed(alone: dict[str, Any]) -> None:
    assert alone["kept"] == []


# -------------------------------------------------------------------------------------------- requests, refusals


def test_a_stage_that_ray_begins_again_and_again_fails_when_its_retries_are_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, do: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ray_cluster, "compute_on_one_thread", lambda: None)
    third = SimpleNamespace(future=lambda: SimpleNamespace(result=lambda: 3))
    mailbox = SimpleNamespace(begin=SimpleNamespace(remote=lambda key: third))

    outcome = ray_cluster._attend(stage("a"), do.obey, mailbox, tmp_path, 2)

    assert outcome.status == "failed"
    assert outcome.error.startswith("its worker or machine was lost, 2 times (max_retries is used up)")
    assert not Path("log").exists()


def test_what_no_machine_of_a_cluster_has_is_told_once_for_all_stages_that_ask_for_it() -> None:
    told: list[Any] = []
    stages = object.__new__(ray_cluster._Submitted)
    stages._settings, stages._resources, stages._tell, stages._warned = Ray(address="auto"), [{}], told.append, set()
    for key in "abc":
        stages._require_room(Request(1, 0, 0), stage(key))
    stages._require_room(Request(2, 0, 0), stage("d"))
    assert [event.stage.key for event in told] == ["a", "d"]


def test_sockets_have_names_that_are_short_enough_wherever_temporary_files_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 40)))
    folder = ray_session._private_folder.__wrapped__()
    try:
        assert len(str(folder)) < 40
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        folder.rmdir()


NO_TOKEN = """
import socket
from ddbench_executors.ray_session import session
server = socket.create_server(("127.0.0.1", 0))
session(f"127.0.0.1:{server.getsockname()[1]}", unguarded=False, gpus=False, retries=0).__enter__()
"""


@installed
def test_a_cluster_that_this_user_has_no_token_for_is_one_line(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"RAY_AUTH_MODE": "token", "HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", NO_TOKEN], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert "ddbench.errors.UserError: no Ray cluster at '127.0.0.1:" in run.stderr
    assert "lets this process in: Token authentication is enabled but no authentication token" in run.stderr


def test_kinds_of_stages_may_ask_for_more_than_the_rest() -> None:
    asked = by_kind(Request(1, 0.25, 0), ["synthesize:gpus=1", "synthesize:memory=8", "relabel:cpus=2"])
    assert asked["evaluate"].options == {"num_cpus": 1, "num_gpus": 0.25, "memory": 0}
    assert asked["synthesize"].options == {"num_cpus": 1, "num_gpus": 1.0, "memory": 8 * 2**30}
    assert asked["relabel"].options == {"num_cpus": 2.0, "num_gpus": 0.25, "memory": 0}


def test_a_request_fits_a_machine_that_has_all_of_it() -> None:
    machine = {"CPU": 4.0, "GPU": 1.0, "memory": 16.0 * 2**30}
    assert Request(4, 1, 16).fits(machine)
    assert not any(request.fits(machine) for request in (Request(5, 0, 0), Request(1, 2, 0), Request(1, 0, 17)))


@pytest.mark.parametrize(
    "text",
    [
        "ray[requests=(train:gpus=1,)]",
        "ray[requests=(squeeze:disks=1,)]",
        "ray[requests=(squeeze:gpus=some,)]",
        "ray[requests=(squeeze:gpus=1.5,)]",
        "ray[gpus_per_stage=-1]",
        "ray[cpus_per_stage=0]",
    ],
)
def test_parameters_that_cannot_work_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="executor 'ray"):
        registry().resolve("executor", Spec.parse(text))


def test_a_ray_without_authentication_is_not_started_unless_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(UserError, match=r"RAY_AUTH_MODE is 'disabled'.*ray\[open=true\]"):
        session("", unguarded=False, gpus=False, retries=0).__enter__()


@installed
@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:10001"])
def test_a_cluster_that_is_not_there_is_one_line_at_once(address: str) -> None:
    with pytest.raises(UserError, match=f"'{address}'"):
        session(address, unguarded=False, gpus=False, retries=0).__enter__()


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package 'ray': pip install 'ddbench\[ray\]'"):
        Ray().require()


@installed
def test_a_device_of_one_machine_is_refused(run_all: Run, do: Any) -> None:
    executor = Ray()
    with pytest.raises(UserError, match="device 'cuda:1' names a device of one machine"):
        next(executor.map(do.obey, None, print, "cuda:1"))  # type: ignore[arg-type]  # refused before it is asked
