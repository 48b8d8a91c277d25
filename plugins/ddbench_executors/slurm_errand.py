"""What a job does: one stage."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ddbench.types import Event, Outcome
from ddbench_executors.slurm_jobs import Jobs
from ddbench_executors.threads import compute_on_one_thread

if TYPE_CHECKING:
    from pathlib import Path

    from ddbench.protocols import Work
    from ddbench.types import Stage
    from ddbench_executors.slurm_files import Files

_SECONDS = 2.0  # between two notes of progress: the runner looks no more often
_PATIENCE_SECONDS = 30.0  # until a file that another machine has written must have come through the network


@dataclass(frozen=True)
class Errand:
    """One stage, to be computed by a job.

    Attributes:
        work: the runner's.
        stage: the stage.
        folder: of the jobs.
        cluster: of the jobs.
        reads: keys of stages that were handed over with it and come first.
    """

    work: Work
    stage: Stage
    folder: Path
    cluster: str
    reads: tuple[str, ...] = ()

    def __call__(self) -> Outcome:
        """Compute the stage, unless one that it reads has failed."""
        compute_on_one_thread()
        jobs = Jobs(self.folder, self.cluster)
        for key in self.reads:
            error = _trouble(jobs, key)
            if error:
                return Outcome(self.stage, "failed", error=error)
        restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
        stage = replace(self.stage, attempt=self.stage.attempt + restarts)
        return self.work(stage, _Diary(jobs.files))

    def checkpoint(self) -> Any:
        """Say what to do once this job, which is just being preempted, is begun again; Slurm counts how often."""
        from submitit.helpers import DelayedSubmission

        once_more = replace(self, stage=replace(self.stage, attempt=self.stage.attempt + 1))
        return DelayedSubmission(once_more if self.cluster == "local" else self)


def _trouble(jobs: Jobs, key: str) -> str:
    """Wait for a stage that comes first, as Slurm has done already; returns why it failed, or an empty string."""
    ticket = jobs.files.ticket(key)
    assert ticket is not None, "those who come first were handed over first"
    begun = time.monotonic()
    while (outcome := jobs.outcome(ticket)) is None:
        waited = time.monotonic() - begun
        if not jobs.alive([key]) if jobs.cluster == "local" else waited > _PATIENCE_SECONDS:
            return f"the job {ticket.job} of a stage that it reads ended without an outcome"
        time.sleep(0.1)
    return outcome.error if outcome.status == "failed" else ""


class _Diary:
    """Tells events to the runner, of progress one now and then."""

    def __init__(self, files: Files) -> None:
        self._files, self._last = files, 0.0

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        if event.name == "stage-progress" and now - self._last < _SECONDS:
            return
        self._last = now
        self._files.note(event)
