"""Ways to a teacher: trained here, pretrained elsewhere, or from a checkpoint."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_teachers() -> dict[str, str | type]:
    """Return the built-in teachers."""
    return {
        "train": "ddbench_teachers.training:Train",
        "pretrained": "ddbench_teachers.pretrained:Pretrained",
        "checkpoint": "ddbench_teachers.checkpoint:Checkpoint",
    }
