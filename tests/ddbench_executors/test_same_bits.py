"""Same seed, same bits: in this process or in workers, in any order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import ddbench

GRID: dict[str, Any] = {
    "eval": "toy-net",
    "dataset": "toy",
    "ipc": 3,
    "seeds": "0-1",
    "teacher": "toy-teacher",
    "labels": "toy-labels",
    "evaluator": "toy-exam",
}
SYNTHS = ["toy-synth", "toy-synth[noise=40.0]", "toy-joint"]


def checksums(store: Path) -> dict[str, Any]:
    """Return the checksums of all stored tensors, and all stored numbers, by key."""
    metas = [json.loads(file.read_text()) for file in store.glob("*/??/*/meta.json")]
    assert metas
    return {meta["key"]: (meta["files"], meta["result"]) for meta in metas}


@pytest.mark.slow
@pytest.mark.usefixtures("toys")
def test_serial_and_workers_and_any_order_store_the_same_bits_and_measures() -> None:
    ddbench.run(**GRID, synth=SYNTHS, executor="serial", store="serial", out="a")
    ddbench.run(**GRID, synth=SYNTHS[::-1], executor="processes[workers=2]", store="workers", out="b")

    serial, workers = checksums(Path("serial")), checksums(Path("workers"))
    assert len([files for files, _ in serial.values() if files]) == 1 + 1 + 3 + 3 + 1 + 3  # tensors of all but exams
    assert serial == workers


@pytest.mark.usefixtures("toys")
def test_an_index_is_the_same_bits_alone_or_among_others() -> None:
    ddbench.run(**GRID | {"ipc": 1}, synth="toy-synth", executor="serial", store="alone", out="a")
    ddbench.run(**GRID, synth="toy-synth[noise=40.0],toy-synth", executor="serial", store="among", out="b")

    alone, among = checksums(Path("alone")), checksums(Path("among"))
    shared = alone.keys() & among.keys()
    assert len(shared) == 2  # the teacher and the first image of each class
    assert all(alone[key] == among[key] for key in shared)
