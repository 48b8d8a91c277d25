"""Frames and result files as runs give them, made by hand."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
import pytest
import torch

from ddbench.rows import COLUMNS
from ddbench.types import Batch, RenderTask
from ddbench_reporters.html import Html

NUMBERS = ("top1", "top5", "top1_best", "loss", "teacher_top1", "reported", "reported_std")
DEFAULTS: dict[str, Any] = {
    "dataset": "digits",
    "teacher": "resnet18",
    "synthesizer": "dwa",
    "ipc": 10,
    "labeler": "online",
    "evaluator": "standard",
    "architecture": "resnet50",
    "synthesis_seed": 0,
    "evaluation_seed": 0,
    "precision": "float32",
    "data": "d161c500",
    "status": "done",
    "teacher_top1": 98.25,
    "synthesize_seconds": 60.0,
    "evaluate_seconds": 40.0,
    "peak_memory_bytes": 2_000_000_000.0,
    "synthesize_peak_memory_bytes": 2_000_000_000.0,
    "image_bytes": 6400.0,
    "label_bytes": 44_800_000.0,
    "reported_accuracy": "last",
    "flag": "",
    "error": "",
    "key": "0" * 64,
}

ALONE = dict.fromkeys(DEFAULTS) | {
    "status": "reported",
    "dataset": "digits",
    "synthesizer": "dwa",
    "ipc": 10,
    "architecture": "resnet50",
    "reported_metric": "top1",
    "reported_unreliable": "",
    "reported_source": "a paper",
    "flag": "",
    "error": "",
}

Frame = Callable[..., pd.DataFrame]


@pytest.fixture
def frame() -> Frame:
    """Return a function that makes a frame of trials from what is special about each."""
    return make


def make(*trials: dict[str, Any]) -> pd.DataFrame:
    rows = [{**(ALONE if trial.get("status") == "reported" else DEFAULTS), **trial} for trial in trials]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    floats = [name for name in COLUMNS if name in NUMBERS or name.endswith(("_seconds", "_bytes"))]
    counts = [name for name in ("ipc", "synthesis_seed", "evaluation_seed") if table[name].isna().any()]
    return table.astype({**dict.fromkeys(floats, "float64"), **dict.fromkeys(counts, "Int64")})


@pytest.fixture(scope="session")
def sweep() -> RenderTask:
    """Return a small sweep to be shown: hostile names and errors, a failure, a flag, and images of all sets but one."""
    rows = list(_trials())
    return RenderTask(make(*rows), documents=tuple(map(_document, rows)), images=_images)


@pytest.fixture(scope="session")
def html(sweep: RenderTask) -> str:
    """Return the page of the sweep."""
    return Html().render(sweep)


HOSTILE = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\"> & 'q'"
METHODS = {"dwa[rho=0.02]": 80.0, "random": 60.0, 'odd[path="<b>$x$"]': 40.0}
ARCHITECTURES = {"resnet18": 2.0, "vgg16": 0.0}
FAILED, FLAGGED = ("random", 10, "vgg16", 1), ("random", 1, "vgg16", 0)


def _trials() -> Iterator[dict[str, Any]]:
    """Yield what is special about each trial: three methods, two counts of images, two students, two seeds."""
    for trial in itertools.product(METHODS, (1, 10), ARCHITECTURES, (0, 1)):
        synthesizer, ipc, architecture, seed = trial
        failed = trial == FAILED
        top1 = METHODS[synthesizer] + ARCHITECTURES[architecture] + ipc / 10 + seed / 5
        yield {
            "synthesizer": synthesizer,
            "ipc": ipc,
            "architecture": architecture,
            "evaluation_seed": seed,
            "key": hashlib.sha256(repr(trial).encode()).hexdigest(),
            "status": "failed" if failed else "done",
            "error": HOSTILE if failed else "",
            "flag": "edited" if trial == FLAGGED else "",
            **dict.fromkeys(("top1", "top5", "top1_best", "loss"), None if failed else top1),
            "synthesize_seconds": 10.0 * ipc if synthesizer != "random" else 0.5 * ipc,
            "settings": json.dumps({"synthesizer": {"name": synthesizer, "rho": 0.02}, "precision": "float32"}),
            "sources": json.dumps({"ddbench": "0123456789abcdef"}),
            "started_at": "2026-01-02T03:04:05+00:00",
            "device": "cpu",
        }


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return as much of a trial's result file as a reporter looks at."""
    curve = [{"epoch": epoch, "loss": 1 / epoch, "top1": 10.0 * epoch} for epoch in (1, 2, 3)]
    shard = hashlib.sha256(f"{row['synthesizer']} {row['ipc']}".encode()).hexdigest()
    return {
        "key": row["key"],
        "benchmark": "sweep",
        "measures": None if row["status"] == "failed" else {"curve": curve},
        "costs": {"synthesize": {"seconds": row["synthesize_seconds"], "peak_memory_bytes": 5_000_000}},
        "stages": {"synthesize": {"keys": [shard]}, "evaluate": {"key": row["key"]}},
        "environment": {"cpu": "a processor", "versions": {"ddbench": "0.0.1", "torch": "9.9.9"}},
        "made": {"evaluate": {"command": "ddbench run --synth dwa"}},
    }


def _images(found: Mapping[str, Any]) -> Batch | None:
    """Return images of three classes, 8 x 8, whose values tell their place; none of one set."""
    if found["stages"]["synthesize"]["keys"] == [hashlib.sha256(b"random 10").hexdigest()]:
        return None
    labels = torch.arange(3).repeat(2)
    values = torch.arange(6, dtype=torch.uint8)[:, None, None, None] * 40
    return Batch(values.expand(6, 1, 8, 8), labels)
