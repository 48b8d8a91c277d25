"""Every committed result file loads, and its key recomputes from its settings or is flagged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ddbench
from ddbench import frames, results
from ddbench.listing import files
from ddbench.rows import row

ROOT = Path(__file__).parents[2] / "results"
FILES = files(ROOT) if ROOT.is_dir() else []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_committed_result_recomputes_its_key(file: Path) -> None:
    found = results.read(file)
    assert results.flag(found) == ""
    told = row(found)
    assert told["status"] == "done", "a failed trial is no result to commit"
    assert all(0 <= told[name] <= 100 for name in ("top1", "top5", "top1_best"))


def test_a_result_whose_settings_were_edited_is_flagged(toys: list[str]) -> None:
    options = dict(zip((name.removeprefix("--") for name in toys[::2]), toys[1::2], strict=True))
    frame = ddbench.run(**options, executor="serial", device="cpu")
    assert list(frame["flag"]) == ["", ""]
    file = files(Path("results"))[0]
    edited = results.read(file)
    edited["stages"]["synthesize"]["facts"]["synthesizer"]["noise"] = 0.0
    file.write_text(json.dumps(edited))
    assert sorted(frames.load("results")["flag"]) == ["", "key differs"]
