"""Every committed result file loads, and its key recomputes from its settings or is flagged."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ddbench import results

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

ROOT = Path(__file__).parents[2] / "results"
FILES = results.files(ROOT) if ROOT.is_dir() else []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_committed_result_recomputes_its_key(file: Path) -> None:
    found = results.read(file)
    assert results.flag(found) == ""
    row = results.row(found)
    assert row["status"] == "done", "a failed trial is no result to commit"
    assert all(0 <= row[name] <= 100 for name in ("top1", "top5", "top1_best"))


def test_a_result_whose_settings_were_edited_is_flagged(
    toys: list[str], ddbench: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    ddbench("run", *toys, "--executor", "serial", "--quiet").check_returncode()
    file = results.files(Path("results"))[0]
    found = results.read(file)
    assert results.flag(found) == ""
    edited = copy.deepcopy(found)
    edited["stages"]["synthesize"]["facts"]["synthesizer"]["noise"] = 0.0
    file.write_text(json.dumps(edited))
    frame = results.load("results")
    assert sorted(frame["flag"]) == ["", "key differs"]
