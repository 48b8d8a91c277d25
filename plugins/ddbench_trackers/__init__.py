"""Trials sent to TensorBoard, Weights & Biases and MLflow, for those who ask for it by ``DDBENCH_TRACKERS``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddbench import hookimpl

if TYPE_CHECKING:
    from ddbench.types import Event


@hookimpl
def ddbench_event(event: Event) -> None:
    """Send trials as they finish, if the environment names a tracker."""
    import os

    chosen = os.environ.get("DDBENCH_TRACKERS", "")
    if chosen and event.name in {"run-started", "trial-finished", "run-finished"}:
        from ddbench_trackers.sending import hear

        hear(event, chosen)
