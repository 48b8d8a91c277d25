"""Jobs of stages: submitted, asked after, and ended."""

from __future__ import annotations

import os
import pickle
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError
from ddbench.types import Outcome, Standing
from ddbench_executors.slurm_files import Files, Ticket
from ddbench_executors.slurm_states import States

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ddbench_executors.slurm_errand import Errand

_ASK_SECONDS = 60.0  # between two questions to Slurm's accounting, at the most


class Jobs:
    """The jobs in a folder.

    Attributes:
        folder: where submitit keeps scripts, pickles and logs by job.
        cluster: ``slurm``, or ``local`` for processes of this machine.
        files: who has which stage, and what was told of it.
    """

    def __init__(self, folder: Path, cluster: str) -> None:
        self.folder, self.cluster = folder, cluster
        self.files = Files(folder)
        self._known: dict[str, Any] = {}
        self._own: set[str] = set()  # jobs that this process has submitted, whose ends it alone can hear
        self._ended: set[str] = set()
        self._states = States()
        self._asked = time.monotonic()

    def submit(self, errands: Sequence[Errand], settings: Mapping[str, Any], after: Iterable[str] = ()) -> None:
        """Submit an array of jobs, to begin when other arrays have ended, and write their tickets.

        Raises:
            UserError: Slurm refuses them.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # pickles may name a store by a URL with a login
        self.files.clear(errand.stage.key for errand in errands)
        jobs = self._submitted(errands, settings, after)
        self._known |= {job.job_id: job for job in jobs}
        self._own |= {job.job_id for job in jobs}
        for errand, job in zip(errands, jobs, strict=True):
            self.files.write(Ticket(errand.stage.key, job.job_id, errand.stage.attempt))

    def _submitted(self, errands: Sequence[Errand], settings: Mapping[str, Any], after: Iterable[str]) -> list[Any]:
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        executor = self._executor(settings, after)
        try:
            with _outside_of_jobs(), executor.batch():
                return [executor.submit(errand) for errand in errands]
        except (FailedJobError, FailedSubmissionError) as error:
            said = [line for line in str(error).splitlines() if line.strip()] or ["it gives no reason"]
            reason = said[-1].removeprefix("sbatch: error: ")
            raise UserError(
                f"sbatch refuses {len(errands)} jobs: {reason}; see the parameters of executor 'slurm' (ddbench info "
                "slurm), of which array says how many jobs are submitted at once"
            ) from None

    def _executor(self, settings: Mapping[str, Any], after: Iterable[str]) -> Any:
        import submitit

        if self.cluster == "local":
            local = submitit.LocalExecutor(self.folder)
            local.update_parameters(timeout_min=settings["time"], gpus_per_node=settings.get("gpus_per_node", 0))
            return local
        waits = {"dependency": f"afterany:{':'.join(sorted(after))}"} if after else {}
        slurm = submitit.SlurmExecutor(self.folder)
        slurm.update_parameters(**settings, **waits)
        return slurm

    def job(self, ticket: Ticket) -> Any:
        """Return submitit's job of a ticket: the same each time, for at a new one Slurm is asked anew."""
        import submitit

        kind = submitit.LocalJob if self.cluster == "local" else submitit.SlurmJob
        if ticket.job not in self._known:
            self._known[ticket.job] = kind(self.folder, ticket.job)
        return self._known[ticket.job]

    def outcome(self, ticket: Ticket) -> Outcome | None:
        """Return what a job came to, None as long as it has not ended, or if it was lost."""
        came = self._came_to(ticket)
        return came if isinstance(came, Outcome) else None

    def _came_to(self, ticket: Ticket) -> Outcome | str | None:
        """Return what a job has left, as submitit writes it: an outcome, or the words of an error around it."""
        path = self.job(ticket).paths.result_pickle
        with suppress(OSError):
            path.parent.chmod(path.parent.stat().st_mode)  # a network's file system looks again who is there
        if not path.exists() or (self.cluster == "local" and not self.job(ticket).done()):
            return None
        self._ended.add(ticket.job)
        end, what = pickle.loads(path.read_bytes())  # noqa: S301 - of our own jobs, in a folder of this user's
        return what if end == "success" else str(what).strip().rpartition("\n")[2]

    def standings(self, keys: Iterable[str]) -> dict[str, Standing]:
        """Tell what has become of stages that jobs have, but for those that are stored."""
        tickets = [ticket for key in keys if (ticket := self.files.ticket(key)) is not None]
        for ticket in tickets:
            self.job(ticket)  # so that Slurm is asked for all at once
        told = {ticket.key: self.standing(ticket) for ticket in tickets}
        return {key: standing for key, standing in told.items() if standing is not None}

    def alive(self, keys: Iterable[str]) -> set[str]:
        """Return those of some stages that a job has which has not ended."""
        return {key for key, standing in self.standings(keys).items() if standing.status != "failed"}

    def standing(self, ticket: Ticket) -> Standing | None:
        """Tell what has become of a job; None if it has stored its stage."""
        came = self._came_to(ticket)
        if isinstance(came, Outcome):
            return Standing("failed", came.error) if came.status == "failed" else None
        state = self._state(ticket)
        phase = "ended" if came else self._states.phase(ticket.job, state)
        if phase != "ended":
            return Standing(phase)
        if came is None and self._came_to(ticket) is not None:
            return self.standing(ticket)  # it has just ended
        self._ended.add(ticket.job)
        log = os.path.relpath(self.job(ticket).paths.stderr)
        return Standing("failed", f"its job {ticket.job} ended without an outcome ({came or state}); see {log}")

    def _state(self, ticket: Ticket) -> str:
        job = self.job(ticket)
        if self.cluster == "slurm":
            return str(job.watcher.get_state(ticket.job, self._mode())).split()[0].upper()  # CANCELLED by 1000
        if job.done() if ticket.job in self._own else not _lives(int(ticket.job), self.folder):
            return "ENDED"
        return "RUNNING" if self.files.have_told(ticket.key) else "PENDING"

    def _mode(self) -> str:
        """Tell whether Slurm is to be asked in any case: by itself submitit does so every ten minutes in a long run."""
        due = time.monotonic() - self._asked >= _ASK_SECONDS
        self._asked = time.monotonic() if due else self._asked
        return "force" if due else "standard"

    def cancel(self) -> None:
        """End the jobs that this process has submitted and not seen the end of."""
        left = sorted(self._own - self._ended)
        if self.cluster == "slurm" and left:
            subprocess.run(["scancel", *left], check=False, capture_output=True)  # noqa: S607 - Slurm's own, found as the user finds it
            return
        for job in left:
            self._known[job].cancel()  # its controller asks the process that computes to end, then ends it
        for job in left:
            self._known[job]._process.wait()


@contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Hide the job that this process may be in itself: those that it submits would inherit its limits and numbers."""
    inside = "SLURM_JOB_ID" in os.environ
    names = [name for name in os.environ if inside and name.startswith("SLURM_") and name != "SLURM_CONF"]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _lives(pid: int, folder: Path) -> bool:
    """Tell whether a process is there that sees to jobs of a folder: its number may be another's by now."""
    try:
        os.kill(pid, 0)
        return os.fsencode(folder) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except ProcessLookupError:
        return False
    except OSError:
        return True  # there, and there is no /proc
