from __future__ import annotations

import getpass
import socket
import time
from typing import TYPE_CHECKING

import pytest

from ddbench.commandline import command, harmless, harmless_message

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("/data/me/x y/z.pt", "z.pt"),
        ("/data/me/", "me"),
        ("/", "/"),
        ("~/store", "store"),
        ("~someone/store", "store"),
        ("../up/there", "there"),
        ("C:\\Users\\me\\x.pt", "x.pt"),
        ("--store=/data/me/store", "--store=store"),
        (
            "checkpoint[path=/data/me/x.pt,architecture=timm/resnet18]",
            "checkpoint[path=x.pt,architecture=timm/resnet18]",
        ),
        ('folder[path="/data/a b",name=q]', 'folder[path="a b",name=q]'),
        ("x[paths=(/a/y,/b/z)]", "x[paths=(y,z)]"),
        ("mlflow[uri=https://me:pw@host:5000/x,token=abc]", "mlflow[uri=url,token=...]"),
        ('wandb[token="abc,def]",x=1]', "wandb[token=...,x=1]"),
        ('folder[path="/data/me,you/(b) c",name=q]', 'folder[path="(b) c",name=q]'),
        ("dwa, checkpoint[path= /data/me/x.pt]", "dwa, checkpoint[path= x.pt]"),
    ],
)
def test_of_a_path_that_leaves_the_working_folder_its_last_part_is_left(written: str, shown: str) -> None:
    assert harmless(written) == shown


@pytest.mark.parametrize("written", ["dwa[rho=0.02],sre2l", "results/x", "benchmarks/a.toml", "timm/resnet18", "0-4"])
def test_what_names_no_place_outside_stays_as_it_was_written(written: str) -> None:
    assert harmless(written) == written


def test_user_host_and_home_are_no_folder_s_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "alice")
    monkeypatch.setattr(socket, "gethostname", lambda: "wonder")
    monkeypatch.setenv("HOME", str(tmp_path / "hole"))

    assert harmless("runs/alice/wonder/hole/x") == "runs/.../.../.../x"
    assert harmless("/homes/alice") == "..."
    assert harmless("alice-net[path=a]") == "alice-net[path=a]"


def test_the_command_line_of_ddbench_is_told_word_for_word_but_for_secrets() -> None:
    words = ["/usr/bin/ddbench", "run", "--synth", "dwa[rho=0.02]", "--api-key", "abc", "--out", "/data/me/my results"]

    assert command(words) == "ddbench run --synth 'dwa[rho=0.02]' --api-key ... --out 'my results'"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("No such file or directory: '/data/me/x y.pt'", "No such file or directory: 'x y.pt'"),
        ("checkpoint /data/me/x.pt is damaged: delete it", "checkpoint x.pt is damaged: delete it"),
        ('  File "/data/me/my-method/synth.py", line 3, in f', '  File "synth.py", line 3, in f'),
        ('File "/v e/lib/site-packages/torch/nn/a.py", line 3', 'File "torch/nn/a.py", line 3'),
        ("C:\\Users\\me\\x.pt and ~me/store are gone", "x.pt and store are gone"),
        ("401 for https://me:pw@host/x?token=abc&y=1", "401 for https://...@host/x?token=...&y=1"),
    ],
)
def test_a_message_names_no_place_of_this_machine_and_no_secret(said: str, told: str) -> None:
    assert harmless_message(said) == told


@pytest.mark.parametrize("said", ["x = a / b  # and/or", "results/x/y.json is empty", "3/4 of [B, C]/ipc", ""])
def test_a_message_without_places_stays_as_it_is(said: str) -> None:
    assert harmless_message(said) == said


def test_a_long_message_is_read_in_no_time() -> None:
    started = time.process_time()
    for said in ("x" * 200_000, "a-" * 100_000, "/a" * 100_000, '"/' * 100_000, "token" * 40_000):
        harmless_message(said)
    assert time.process_time() - started < 5


def test_of_a_script_the_name_alone_is_told_and_of_a_session_nothing() -> None:
    assert command(["/data/me/sweep.py", "--password", "abc"]) == "python sweep.py"
    assert command(["-c"]) is None
    assert command([]) is None
