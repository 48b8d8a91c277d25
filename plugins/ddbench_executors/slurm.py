"""Stages as jobs of a Slurm cluster."""

from __future__ import annotations

import math
import re
import shutil
import time
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt

from ddbench.errors import UserError
from ddbench.types import Event, Outcome
from ddbench_executors.extras import require_extra
from ddbench_executors.slurm_errand import Errand
from ddbench_executors.slurm_jobs import Jobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ddbench.protocols import Frontier, Tell, Work
    from ddbench.types import Stage, Standing

_ATTEMPTS = 2  # a job that dies (out of memory, say) costs its stage one attempt
_LOOK_SECONDS = {"slurm": 1.0, "local": 0.1}
_OURS = {"array", "dependency", "output", "error"}  # options of sbatch that are not the user's
_TIME = re.compile(r"(?:(\d+)-)?(\d+(?::\d+){0,2})")


@dataclass(frozen=True)
class Slurm:
    """Stages as jobs of a Slurm cluster: an array of those whose inputs are there, then one of those they set free.

    Give the command on a machine that has ``sbatch``; the store, the data sets and the working folder must be the same
    on all machines. It stays and shows how far the stages are, or with ``--detach`` leaves all of them with Slurm, each
    level of the plan an array that begins when the one before it has ended; ``ddbench status`` then tells how far they
    are, and the same command without ``--detach`` takes up what is still under way and writes the results. A job that
    is preempted, or short of time, is requeued and its stage begun again (submitit's checkpoint). Submission scripts
    and logs lie in ``folder``. A teacher under the floor is found by the command that writes results.

    Attributes:
        cluster: slurm; or local, where each job is a process of this machine, all at once, to try things out.
        folder: of submission scripts, logs and outcomes of jobs, on a file system that all machines share.
        partition: sbatch's, and so are account, qos, constraint and gres; empty leaves it to the cluster.
        account: whose hours are used.
        qos: quality of service.
        constraint: features of machines.
        gres: generic resources, such as gpu:a100:1.
        mem: memory of a job, such as 16G; empty leaves it to the cluster.
        time: of a job, as sbatch reads it: minutes[:seconds], hours:minutes:seconds or days-hours[:minutes[:seconds]].
        cpus_per_stage: processors of a job; it computes on one thread whatever they are.
        gpus_per_stage: GPUs of a job, where gres does not say.
        parallel: jobs of one array that may run at once.
        array: jobs that are submitted at once, as an array; 1,000 is what a Slurm takes that has not been told
            otherwise (MaxArraySize). What a limit of jobs refuses is submitted when others have ended.
        sbatch: further options, as (nice=10,reservation=lab).
    """

    version: ClassVar[int] = 1
    elsewhere: ClassVar[bool] = True

    cluster: Literal["slurm", "local"] = "slurm"
    folder: str = "ddbench-jobs"
    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""
    gres: str = ""
    mem: str | int = ""
    time: Annotated[int, Gt(0)] | str = 240
    cpus_per_stage: Annotated[int, Gt(0)] = 1
    gpus_per_stage: Annotated[int, Ge(0)] = 0
    parallel: Annotated[int, Gt(0)] = 256
    array: Annotated[int, Gt(0)] = 1000
    sbatch: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _minutes(self.time)
        unread = [text for text in self.sbatch if not re.fullmatch(r"[a-z][a-z-]*=.+", text)]
        if unread:
            raise ValueError(f"'{unread[0]}': expected an option of sbatch, name=value")
        ours = _OURS & {text.partition("=")[0] for text in self.sbatch}
        if ours:
            raise ValueError(f"'{min(ours)}': an option of sbatch that ddbench sets itself")

    def require(self) -> None:
        """Raise a UserError unless submitit is installed, and Slurm where it is asked for."""
        require_extra("slurm", "submitit")
        missing = [name for name in ("sbatch", "srun") if shutil.which(name) is None]
        if self.cluster == "slurm" and missing:
            raise UserError(
                f"executor 'slurm' finds no '{missing[0]}' here: give the command on a machine of the Slurm cluster, "
                "or slurm[cluster=local] to try it out"
            )

    def map(self, work: Work, frontier: Frontier, tell: Tell, device: str = "auto") -> Iterator[Outcome]:  # noqa: ARG002 - what a job sees is Slurm's to say
        """Yield outcomes as they come; stages that a job has from before are taken up."""
        self.require()
        watch = _Watch(self, work, tell)
        try:
            while frontier:
                watch.put(frontier.ready())
                if watch:
                    yield from watch.look()
        finally:
            watch.cancel()

    def submit(self, work: Work, stages: Sequence[Stage]) -> int:
        """Hand stages over to Slurm, level by level; returns how many are not under way already.

        Raises:
            UserError: Slurm refuses them; what it took before goes on.
        """
        self.require()
        jobs = self._jobs()
        handed = {stage.key for stage in stages}
        alive = jobs.alive(handed)
        left = [stage for stage in stages if stage.key not in alive]
        for some in (some for level in _levels(left) for some in self._arrays(level)):
            reads = {stage.key: tuple(key for key in stage.inputs.values() if key in handed) for stage in some}
            tickets = [jobs.files.ticket(key) for keys in reads.values() for key in keys]
            after = {ticket.array for ticket in tickets if ticket is not None}
            jobs.submit([self._errand(work, stage, reads[stage.key]) for stage in some], self._settings(), after)
        return len(left)

    def standing(self, stages: Sequence[Stage]) -> Mapping[str, Standing]:
        """Tell what has become of stages that were handed over and are not stored."""
        self.require()
        return self._jobs().standings(stage.key for stage in stages)

    def _arrays(self, stages: Sequence[Stage]) -> Iterator[Sequence[Stage]]:
        return (stages[start : start + self.array] for start in range(0, len(stages), self.array))

    def _jobs(self) -> Jobs:
        return Jobs(Path(self.folder).expanduser().absolute(), self.cluster)

    def _errand(self, work: Work, stage: Stage, reads: tuple[str, ...] = ()) -> Errand:
        return Errand(work, stage, self._jobs().folder, self.cluster, reads)

    def _settings(self) -> dict[str, Any]:
        """Return what submitit writes into the submission script."""
        named = ("partition", "account", "qos", "constraint", "gres", "mem")
        given = {name: getattr(self, name) for name in named if getattr(self, name) != ""}
        gpus = {"gpus_per_node": self.gpus_per_stage} if self.gpus_per_stage else {}
        further: dict[str, Any] = dict(text.split("=", 1) for text in self.sbatch)
        flags = {name: True if value == "true" else value for name, value in further.items()}
        return {
            "job_name": "ddbench",
            "time": _minutes(self.time),
            "cpus_per_task": self.cpus_per_stage,
            "array_parallelism": self.parallel,
            "additional_parameters": {"requeue": True, **given, **flags},
            **gpus,
        }


class _Watch:
    """Stages that jobs have, and this process waits for."""

    def __init__(self, settings: Slurm, work: Work, tell: Tell) -> None:
        self._settings, self._work, self._tell = settings, work, tell
        self._jobs = settings._jobs()
        self._running: dict[str, Stage] = {}
        self._waiting: list[Stage] = []  # to be submitted once others have ended
        self._warned = False

    def __bool__(self) -> bool:
        return bool(self._running or self._waiting)

    def put(self, stages: Sequence[Stage]) -> None:
        """Submit stages, in arrays, but for those that a job has from before.

        Raises:
            UserError: Slurm refuses them, and there are none whose end could change that.
        """
        alive = self._jobs.alive(stage.key for stage in stages)
        self._running |= {stage.key: stage for stage in stages if stage.key in alive}
        for some in self._settings._arrays([stage for stage in stages if stage.key not in alive]):
            if self._waiting:
                self._waiting += some
            else:
                self._submit(some)

    def _submit(self, stages: Sequence[Stage]) -> None:
        errands = [self._settings._errand(self._work, stage) for stage in stages]
        try:
            self._jobs.submit(errands, self._settings._settings())
        except UserError as error:
            if not self._running:
                raise
            self._warn_once(f"{error}; tried again whenever others have ended")
            self._waiting += stages
        else:
            self._running |= {stage.key: stage for stage in stages}

    def _warn_once(self, message: str) -> None:
        if not self._warned:
            self._tell(Event("warning", None, {"message": message}))
        self._warned = True

    def look(self) -> Iterator[Outcome]:
        """Wait a moment, then yield the outcomes of jobs that have ended; tell events that came before them."""
        time.sleep(_LOOK_SECONDS[self._settings.cluster])
        before = len(self._running)
        for stage in list(self._running.values()):
            outcome = self._ended(stage)
            for event in self._jobs.files.news(stage):
                self._tell(event)
            if outcome is not None:
                del self._running[stage.key]
                yield outcome
        if len(self._running) < before:
            stages, self._waiting = self._waiting, []
            self.put(stages)

    def _ended(self, stage: Stage) -> Outcome | None:
        ticket = self._jobs.files.ticket(stage.key)
        assert ticket is not None, "what runs was submitted"
        outcome = self._jobs.outcome(ticket)
        if outcome is not None:
            return outcome
        standing = self._jobs.standing(ticket)
        if standing is None or standing.status != "failed":
            return None  # the next look finds what came to it
        if ticket.attempt >= _ATTEMPTS:
            return Outcome(stage, "failed", error=f"{standing.error}, {ticket.attempt} times; short of memory or time?")
        self._tell(Event("warning", stage, {"message": f"{stage.label}: {standing.error}; trying once more"}))
        del self._running[stage.key]
        self._waiting.append(replace(stage, attempt=ticket.attempt + 1))
        return None

    def cancel(self) -> None:
        """End the jobs that this process has submitted and not seen the end of."""
        self._jobs.cancel()


def _levels(stages: Iterable[Stage]) -> Iterator[list[Stage]]:
    """Yield stages by level: those that read none of the others, then those that read the first alone, and so on."""
    known = {stage.key: stage for stage in stages}
    graph = TopologicalSorter({key: set(stage.inputs.values()) & known.keys() for key, stage in known.items()})
    graph.prepare()
    while graph:
        ready = graph.get_ready()
        yield [known[key] for key in ready]
        graph.done(*ready)


def _minutes(text: str | int) -> int:
    """Return a limit of time in minutes, as submitit wants it."""
    if isinstance(text, int):
        return text
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"time '{text}': expected minutes[:seconds], hours:minutes:seconds or days-hours:minutes")
    days, numbers = found[1], [int(number) for number in found[2].split(":")]
    from_hours = numbers if days or len(numbers) == 3 else [0, *numbers]
    hours, minutes, seconds = (*from_hours, 0, 0)[:3]
    return max(1, (int(days or 0) * 24 + hours) * 60 + minutes + math.ceil(seconds / 60))
