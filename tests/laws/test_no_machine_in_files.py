"""No file that is committed names a machine's folders or a package registry's host."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# This file is left out of the search: it has to name them.
FOLDERS = "|".join(("work/(?:main|shared)", "root/", "tmp/w/", "home/[a-z]", "Users/[A-Za-z]"))
HOSTS = "|".join(
    (r"pypi\." "org", r"pythonhosted\." "org", r"npmjs\." "com", r"anaconda\." "org", r"download\.pytorch\." "org")
)
FORBIDDEN = re.compile(rf"(?<![\w.])/(?:{FOLDERS})|{HOSTS}|artifactory|--index-url|--extra-index-url", re.IGNORECASE)


def files() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the files of the repository cannot be told from others")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def test_no_file_names_a_machine_or_a_registry() -> None:
    texts = {path: path.read_text(encoding="utf-8", errors="ignore") for path in files() if path != Path(__file__)}
    assert len(texts) > 100
    named = {
        path.relative_to(ROOT).as_posix(): found[0] for path, text in texts.items() if (found := FORBIDDEN.search(text))
    }
    assert not named


@pytest.mark.parametrize("text", ["see /work/main/x", "in '/root/.cache'", "https://pypi.org/simple", "/home/me/x"])
def test_the_pattern_finds_what_it_is_for(text: str) -> None:
    assert FORBIDDEN.search(text)


@pytest.mark.parametrize("text", ["data/root/x", "a framework/main.py", "https://arxiv.org/abs/2409.17612", "/tmp/x"])
def test_the_pattern_lets_the_rest_pass(text: str) -> None:
    assert not FORBIDDEN.search(text)
