"""Jobs of stages: which job has which stage, in files beside submitit's, where all machines and commands look."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbench.types import Event, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ddbench.types import Outcome, Stage
    from ddbench_executors.slurm_errand import Errand

_LARGEST_ARRAY = 1000  # Slurm's MaxArraySize is 1001 unless a cluster says otherwise
_BEFORE = {"PENDING", "UNKNOWN", "READY", "REQUEUED", "PREEMPTED"}
_DURING = {"RUNNING", "COMPLETING"}


@dataclass(frozen=True)
class Ticket:
    """Which job has a stage, by the stage's key, and the attempt that this is."""

    key: str
    job: str
    attempt: int

    @property
    def array(self) -> str:
        """The number under which Slurm knows all jobs of an array."""
        return self.job.partition("_")[0]


class Jobs:
    """The jobs in a folder.

    Attributes:
        folder: where submitit keeps scripts, pickles and logs by job, and this class tickets and events by stage.
        cluster: ``slurm``, or ``local`` for processes of this machine.
    """

    def __init__(self, folder: Path, cluster: str) -> None:
        self.folder, self.cluster = folder, cluster
        self._own: dict[str, Any] = {}  # by job: what this process has submitted, whose ends it alone can hear
        self._heard: dict[str, int] = {}

    def submit(self, errands: Sequence[Errand], settings: Mapping[str, Any], after: Iterable[str] = ()) -> None:
        """Submit an array of jobs, to begin when other arrays have ended, and write their tickets."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # pickles may name a store by a URL with a login
        for start in range(0, len(errands), _LARGEST_ARRAY):
            some = errands[start : start + _LARGEST_ARRAY]
            executor = self._executor(settings, after)
            with executor.batch():
                jobs = [executor.submit(errand) for errand in some]
            for errand, job in zip(some, jobs, strict=True):
                self._write(errand.stage, job)

    def _executor(self, settings: Mapping[str, Any], after: Iterable[str]) -> Any:
        import submitit

        if self.cluster == "local":
            executor = submitit.LocalExecutor(self.folder)
            executor.update_parameters(timeout_min=settings["time"])
            return executor
        waits = {"dependency": f"afterany:{':'.join(sorted(after))}"} if after else {}
        slurm = submitit.SlurmExecutor(self.folder)
        slurm.update_parameters(**settings, **waits)
        return slurm

    def _write(self, stage: Stage, job: Any) -> None:
        self._events(stage.key).unlink(missing_ok=True)
        self._heard.pop(stage.key, None)
        self._own[job.job_id] = job
        path = self._path(stage.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(asdict(Ticket(stage.key, job.job_id, stage.attempt))), encoding="utf-8")
        aside.replace(path)

    def _path(self, key: str) -> Path:
        return self.folder / "stages" / f"{key}.json"

    def ticket(self, key: str) -> Ticket | None:
        """Return the ticket of a stage, None if it was never handed over."""
        try:
            return Ticket(**json.loads(self._path(key).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def job(self, ticket: Ticket) -> Any:
        """Return submitit's job of a ticket."""
        import submitit

        kind = submitit.LocalJob if self.cluster == "local" else submitit.SlurmJob
        return self._own.get(ticket.job) or kind(self.folder, ticket.job)

    def outcome(self, ticket: Ticket) -> Outcome | None:
        """Return what a job came to, None as long as it has not ended, or if it was lost."""
        path = self.job(ticket).paths.result_pickle
        with suppress(OSError):
            path.parent.chmod(path.parent.stat().st_mode)  # a network's file system looks again who is there
        outcome: Outcome | None = self.job(ticket).result() if path.exists() else None
        return outcome

    def standing(self, ticket: Ticket) -> Standing | None:
        """Tell what has become of a job; None if it has stored its stage."""
        outcome = self.outcome(ticket)
        if outcome is not None:
            return Standing("failed", outcome.error) if outcome.status == "failed" else None
        state = self._state(ticket)
        if state in _BEFORE:
            return Standing("waiting")
        lost = Standing("failed", f"its job {ticket.job} ended without an outcome ({state}); see {self._log(ticket)}")
        return Standing("running") if state in _DURING else self._unless_just_ended(ticket, lost)

    def _unless_just_ended(self, ticket: Ticket, lost: Standing) -> Standing | None:
        return lost if self.outcome(ticket) is None else self.standing(ticket)

    def _state(self, ticket: Ticket) -> str:
        job = self.job(ticket)
        if self.cluster == "slurm":
            return str(job.state).split()[0].upper()  # CANCELLED by 1000
        if job.done() if ticket.job in self._own else not _lives(int(ticket.job)):
            return "ENDED"
        return "RUNNING" if self._events(ticket.key).exists() else "PENDING"

    def _log(self, ticket: Ticket) -> Path:
        return Path(os.path.relpath(self.job(ticket).paths.stderr))

    def is_alive(self, key: str) -> bool:
        """Tell whether a job has this stage and has not ended."""
        ticket = self.ticket(key)
        standing = None if ticket is None else self.standing(ticket)
        return standing is not None and standing.status != "failed"

    def _events(self, key: str) -> Path:
        return self.folder / "stages" / f"{key}.events"

    def note(self, event: Event) -> None:
        """Write an event down where the runner looks for it; called in a job."""
        assert event.stage is not None
        line = json.dumps([event.name, dict(event.payload)])
        with self._events(event.stage.key).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def news(self, stage: Stage) -> Iterator[Event]:
        """Yield what a stage has told since the last time."""
        path = self._events(stage.key)
        if not path.exists():
            return
        with path.open(encoding="utf-8") as file:
            file.seek(self._heard.get(stage.key, 0))
            for line in iter(file.readline, ""):
                if not line.endswith("\n"):
                    return  # its other half is being written
                self._heard[stage.key] = file.tell()
                name, payload = json.loads(line)
                yield Event(name, stage, payload)

    def cancel(self, tickets: Sequence[Ticket]) -> None:
        """End jobs that this process has submitted."""
        if self.cluster == "slurm" and tickets:
            subprocess.run(["scancel", *(ticket.job for ticket in tickets)], check=False)  # noqa: S607 - Slurm's own, found as the user finds it
            return
        for ticket in tickets:
            self._own[ticket.job].cancel()  # its controller asks the process that computes to end, then ends it
        for ticket in tickets:
            self._own[ticket.job]._process.wait()


def _lives(pid: int) -> bool:
    """Tell whether a process has not ended; one that nobody has asked for its end is no longer alive."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:
        return True  # there, and there is no /proc
