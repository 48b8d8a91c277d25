"""Whether a job has ended, from what Slurm's accounting calls its state and, where that is not sure, from its queue."""

from __future__ import annotations

import os
import subprocess
import time
from typing import Literal

_WAITS = {"PENDING", "READY", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
_RUNS = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT"}
_UNSURE = {"UNKNOWN", "PREEMPTED"}  # not heard of yet or no longer, and requeued or ended, as the cluster has it
_QUEUE_SECONDS = 30.0  # between two looks at the queue, which is asked for all jobs at once
_FILE_SECONDS = 30.0  # until what a job has written before it ended must have come through the network


class States:
    """What is known of jobs, by the numbers that Slurm gave them."""

    def __init__(self) -> None:
        self._met: dict[tuple[str, str], float] = {}
        self._queue: set[str] | None = None
        self._looked = float("-inf")

    def phase(self, job: str, state: str) -> Literal["waiting", "running", "ended"]:
        """Tell how far a job is that has left no outcome and that the accounting says to be in a state."""
        if state in _UNSURE:
            return "ended" if self._has_left(job, state) else "waiting"
        if state in _WAITS:
            return "waiting"
        late = state == "COMPLETED" and time.monotonic() - self._since(job, state) < _FILE_SECONDS
        return "running" if state in _RUNS or late else "ended"

    def _since(self, job: str, state: str) -> float:
        return self._met.setdefault((job, state), time.monotonic())

    def _has_left(self, job: str, state: str) -> bool:
        """Tell whether a look at the queue, after the job was submitted, did not find it."""
        since = self._since(job, state)
        if time.monotonic() - self._looked >= _QUEUE_SECONDS:
            self._looked, self._queue = time.monotonic(), _queue()
        return self._looked >= since and self._queue is not None and job not in self._queue


def _queue() -> set[str] | None:
    """Return the jobs of this user that have not ended, None where Slurm does not answer."""
    command = ["squeue", "--all", "--noheader", "--array", "--format=%i", f"--user={os.getuid()}"]
    unfiltered = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
    try:
        return set(subprocess.run(command, env=unfiltered, capture_output=True, text=True, check=True).stdout.split())
    except (OSError, subprocess.CalledProcessError):
        return None
