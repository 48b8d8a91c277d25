"""Disks that fill up or turn read-only: one line, nothing half-written, nothing lost. In a mount space of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

OWN_SPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
MOUNTED = 'mount -t tmpfs -o size=256k tmpfs disk; exec "$@"'
BEFORE = """
import contextlib, json, subprocess
from pathlib import Path
import ddbench
from ddbench import results, stages
from ddbench.artifact import Draft
from ddbench.errors import UserError
from ddbench.store import Store

GRID = {
    "synth": "toy-synth", "eval": "toy-net", "dataset": "toy", "ipc": 4, "seeds": "0-1", "teacher": "toy-teacher",
    "labels": "toy-labels", "evaluator": "toy-exam", "executor": "serial",
}
told = []

def run(**options):
    try:
        frame = ddbench.run(**GRID, **options)
        end = {"status": sorted(set(frame["status"])), "error": ""}
    except UserError as error:
        end = {"status": [], "error": str(error), "code": error.exit_code}
    stored = [artifact.verify()["kind"] for artifact in Store(Path(options["store"])).artifacts()]
    drafts = Path(options["store"]) / "drafts"
    left = len(list(drafts.iterdir())) if drafts.exists() else 0
    errors = {json.loads(file.read_text())["error"] for file in Path("results").rglob("*.json")}
    files = len(list(Path(options.get("out", "results")).rglob("*.json")))
    told.append({**end, "stored": stored, "drafts": left, "errors": sorted(errors - {""}), "files": files})

def remount(how):
    subprocess.run(["mount", "-o", f"remount,{how}", "disk"], check=True)

def before(owner, name, nth, happening):
    whole, calls = getattr(owner, name), []
    def call(*args, **options):
        calls.append(1)
        if len(calls) == nth:
            happening()
        return whole(*args, **options)
    setattr(owner, name, call)
"""
AFTER = "print(json.dumps(told))"
STAGES = 1 + 4 + 1 + 2  # a teacher, images, labels, students

Told = dict[str, Any]
Script = Callable[[str], list[Told]]


def can_mount(folder: Path) -> bool:
    """Tell whether a small disk can be mounted, seen by nobody else."""
    if shutil.which("unshare") is None:
        return False
    command = [*OWN_SPACE, 'mount -t tmpfs tmpfs "$1"', "sh", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def script(toys: list[str], tmp_path: Path) -> Script:
    """Return a function that runs a script where a small disk is mounted at ``disk``; it returns what was told."""
    (tmp_path / "disk").mkdir()
    if not can_mount(tmp_path / "disk"):
        pytest.skip("needs a mount space of its own: user name spaces may be forbidden here")

    def run(code: str) -> list[Told]:
        whole = "\n".join([BEFORE, textwrap.dedent(code), AFTER])
        command = [*OWN_SPACE, MOUNTED, "sh", sys.executable, "-c", whole]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, ended.stderr
        return list(json.loads(ended.stdout.splitlines()[-1]))

    return run


@pytest.mark.slow
def test_a_disk_that_fills_up_or_turns_read_only_is_told_in_one_line_and_nothing_that_was_stored_is_lost(
    script: Script,
) -> None:
    told = script(
        """
        def fill():
            with open("disk/ballast", "wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(512)):
                    pass
        before(Draft, "save", 3, fill)
        run(store="disk/full")
        Path("disk/ballast").unlink()
        run(store="disk/full")

        remount("ro")
        run(store="disk/store")
        remount("rw")
        before(stages, "open_store", 3, lambda: remount("ro"))
        run(store="disk/store")
        remount("rw")
        run(store="disk/store")

        remount("ro")
        run(store="other", out="disk/out")
        remount("rw")
        before(results, "write", 2, lambda: remount("ro"))
        run(store="other", out="disk/out")
        remount("rw")
        run(store="other", out="disk/out")
        """
    )
    stores_that_fill_up(*told[:2])
    stores_that_turn_read_only(*told[2:5])
    results_that_turn_read_only(*told[5:])


def stores_that_fill_up(full: Told, mended: Told) -> None:
    assert full["status"] == ["failed"]
    assert full["stored"] == ["squeeze", "synthesize"]
    assert full["drafts"] == 0
    [error] = full["errors"]
    assert "the store disk/full cannot be written: No space left on device" in error
    assert "\n" not in error
    assert mended["status"] == ["done"]
    assert len(mended["stored"]) == STAGES


def stores_that_turn_read_only(refused: Told, turned: Told, mended: Told) -> None:
    assert "the store disk/store cannot be written: Read-only file system" in refused["error"]
    assert refused["code"] == 2
    assert refused["stored"] == []
    assert turned["status"] == ["failed"]
    assert turned["stored"] == ["squeeze", "synthesize"]
    assert all("the store disk/store cannot be written: Read-only" in error for error in turned["errors"])
    assert mended["status"] == ["done"]
    assert len(mended["stored"]) == STAGES
    assert mended["drafts"] == 0


def results_that_turn_read_only(refused: Told, turned: Told, mended: Told) -> None:
    assert "the results folder disk/out cannot be written: Read-only file system" in refused["error"]
    assert refused["stored"] == []
    assert "result file disk/out/" in turned["error"]
    assert "cannot be written: Read-only file system" in turned["error"]
    assert turned["code"] == 2
    assert turned["files"] == 1
    assert len(turned["stored"]) == STAGES  # the run went on
    assert mended["status"] == ["done"]
    assert mended["files"] == 2
