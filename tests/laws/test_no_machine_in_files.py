"""No file that is committed names a machine's folders or a package registry's host."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = "|".join(re.escape(f"{folder}/") for folder in {ROOT, ROOT.parent, Path.home()} if len(folder.parts) > 1)
FOLDERS = rf"(?<![\w.])(?:{HERE}|/(?:home|Users)/[A-Za-z])"
HOSTS = r"py[p]i\.org|python[h]osted\.org|ana[c]onda\.org|down[l]oad\.pytorch\.org|arti[f]actory|--(?:extra-)?index-url"
FORBIDDEN = re.compile(f"{FOLDERS}|{HOSTS}", re.IGNORECASE)


def files() -> list[Path]:
    """Return the files of the repository but this one, which has to name what it forbids."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the files of the repository cannot be told from others")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for name in listed if (path := ROOT / name).is_file() and path != Path(__file__)]


def test_no_file_names_a_machine_or_a_registry() -> None:
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8", errors="ignore") for path in files()}
    assert len(texts) > 100
    assert {name: found[0] for name, text in texts.items() if (found := FORBIDDEN.search(text))} == {}


@pytest.mark.parametrize(
    "text", [f"see {ROOT}/x", "/Users" + "/me/x", "https://" + "py" + "pi.org/simple", "/home" + "/me/x"]
)
def test_the_pattern_finds_what_it_is_for(text: str) -> None:
    assert FORBIDDEN.search(text)


@pytest.mark.parametrize("text", ["data" + "/root/x", "a framework/main.py", "https://arxiv.org/abs/2409.17612"])
def test_the_pattern_lets_the_rest_pass(text: str) -> None:
    assert not FORBIDDEN.search(text)
