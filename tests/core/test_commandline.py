from __future__ import annotations

import getpass
import socket
from typing import TYPE_CHECKING

import pytest

from ddbench.commandline import command, harmless

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


def test_of_a_script_the_name_alone_is_told_and_of_a_session_nothing() -> None:
    assert command(["/data/me/sweep.py", "--password", "abc"]) == "python sweep.py"
    assert command(["-c"]) is None
    assert command([]) is None
