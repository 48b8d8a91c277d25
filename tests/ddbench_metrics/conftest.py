"""Frames of trials under one exam, made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from ddbench.rows import COLUMNS

CONVNET = {"name": "convnet", "version": 1, "width": 64}
RESNET = {"name": "resnet18", "version": 1}
ARCHITECTURES = {"convnet": CONVNET, "resnet18": RESNET, "vgg11": {"name": "vgg11", "version": 1}}
EXAM = {"name": "standard", "version": 1, "epochs": 40, "flip": False, "padding": 1, "min_scale": 1.0, "mixup": 0.8}
DEFAULTS: dict[str, Any] = {
    "dataset": "digits",
    "data": "d161c500",
    "precision": "float32",
    "teacher": "convnet",
    "synthesizer": "dwa",
    "ipc": 10,
    "labeler": "online",
    "evaluator": "standard",
    "architecture": "convnet",
    "synthesis_seed": 0,
    "evaluation_seed": 0,
    "status": "done",
}
FULL = {"synthesizer": "full", "ipc": 144, "synthesis_seed": 0}

Frame = Callable[..., pd.DataFrame]


@pytest.fixture
def frame() -> Frame:
    """Return a function that makes a frame of trials from what is special about each; the exam's settings too."""

    def make(*trials: dict[str, Any]) -> pd.DataFrame:
        rows = []
        for trial in trials:
            row = {**DEFAULTS, **trial}
            taught = {"name": "train", "version": 1, "architecture": CONVNET} if row["teacher"] != "none" else None
            parts = {"evaluator": EXAM | row.pop("exam", {}), "architecture": ARCHITECTURES[row["architecture"]]}
            rows.append(row | {"settings": json.dumps({**parts, "teacher": taught})})
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        return table.astype({"top1": "float64", "image_bytes": "float64", "label_bytes": "float64"})

    return make
