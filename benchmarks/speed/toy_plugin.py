"""The toys as a plugin of this process and of the workers that it starts, for the time of a measurement."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GRID = {
    "synth": "toy-synth", "eval": "toy-net", "dataset": "toy", "teacher": "toy-teacher", "labels": "toy-labels",
    "evaluator": "toy-exam", "ipc": 1,
}  # fmt: skip


@contextmanager
def toys() -> Iterator[Path]:
    """Yield a folder that is gone afterwards, with the toys installed beside it; before the registry is first asked."""
    with tempfile.TemporaryDirectory() as folder:
        info = Path(folder, "site", "toys-1.0.dist-info")
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[ddbench]\ntoys = ddbench.testing.toys\n")
        sys.path.insert(0, str(info.parent))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(info.parent), os.environ.get("PYTHONPATH", "")])
        yield Path(folder)
