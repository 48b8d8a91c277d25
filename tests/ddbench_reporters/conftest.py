"""Frames as results give them, made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from ddbench.frames import COLUMNS

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

    def make(*trials: dict[str, Any]) -> pd.DataFrame:
        rows = [{**(ALONE if trial.get("status") == "reported" else DEFAULTS), **trial} for trial in trials]
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        floats = [name for name in COLUMNS if name in NUMBERS or name.endswith(("_seconds", "_bytes"))]
        counts = [name for name in ("ipc", "synthesis_seed", "evaluation_seed") if table[name].isna().any()]
        return table.astype({**dict.fromkeys(floats, "float64"), **dict.fromkeys(counts, "Int64")})

    return make
