"""Stages on a Ray cluster."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, Gt

from ddbench.errors import UserError
from ddbench.types import Event, Outcome
from ddbench_executors.extras import require_extra
from ddbench_executors.ray_mailbox import open_mailbox
from ddbench_executors.ray_requests import Request, by_kind
from ddbench_executors.ray_session import session
from ddbench_executors.threads import compute_on_one_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ddbench.protocols import Frontier, Tell, Work
    from ddbench.types import Stage

_LOOK_SECONDS = 0.2  # between two looks for events, which are told no more often
_NEEDED = "every machine needs ddbench, the plugins and the working folder as they are here"


@dataclass(frozen=True)
class Ray:
    """Stages on a Ray cluster, each as soon as its inputs are there; without an address on a Ray of this machine.

    Every machine of the cluster must see the store, the data sets and the working folder under the same paths, and
    have ddbench installed. A stage whose worker or machine is lost is tried again, one that fails is not. Each worker
    computes on one thread, and writes into the store before it reports.

    A Ray that is started here ends with the command. It listens on the loopback address alone, as far as Ray lets it
    (by itself it listens on every interface), with its token authentication on, the token in a file that only this user
    can read; without dashboard and usage statistics. How a cluster that is joined is guarded is for those to say who
    run it; RAY_AUTH_TOKEN_PATH names the file of its token. Where a cluster's head is gone for a minute, Ray ends the
    command, with a line of its own and exit code 1; the same command goes on where it was.

    Where a machine has several GPUs, Ray starts a worker anew for each stage on one of them; for one machine with
    several GPUs, ``processes`` keeps its workers.

    Attributes:
        address: of the cluster, host:port; ``auto`` for the one that this machine belongs to; empty starts one.
        cpus_per_stage: processors that a stage asks for; it computes on one thread whatever they are.
        gpus_per_stage: GPUs that a stage asks for; 0.25 lets four stages share one. None asks for one where the
            cluster has GPUs and the device is auto or cuda, else for none.
        memory_per_stage: GiB of memory that a stage asks for; 0 asks for none in particular.
        requests: what kinds of stages ask for instead, as (synthesize:gpus=1,relabel:memory=16): kind, then cpus,
            gpus or memory.
        max_retries: how often a stage is tried again whose worker or machine was lost.
        open: start Ray without authentication if need be: everybody who reaches the machine can then run code on it.
    """

    version: ClassVar[int] = 1
    elsewhere: ClassVar[bool] = True

    address: str = ""
    cpus_per_stage: Annotated[float, Gt(0)] = 1.0
    gpus_per_stage: Annotated[float, Ge(0)] | None = None
    memory_per_stage: Annotated[float, Ge(0)] = 0.0
    requests: tuple[str, ...] = ()
    max_retries: Annotated[int, Ge(0)] = 3
    open: bool = False

    def __post_init__(self) -> None:
        self._by_kind(0.0)

    def _by_kind(self, gpus: float) -> dict[str, Request]:
        asked = gpus if self.gpus_per_stage is None else self.gpus_per_stage
        return by_kind(Request(self.cpus_per_stage, asked, self.memory_per_stage), self.requests)

    def require(self) -> None:
        """Raise a UserError unless Ray is installed."""
        require_extra("ray", "ray")

    def map(self, work: Work, frontier: Frontier, tell: Tell, device: str = "auto") -> Iterator[Outcome]:
        """Yield outcomes as they come.

        Raises:
            UserError: no such cluster, or none of its machines has what a stage asks for.
        """
        self.require()
        if device not in {"auto", "cuda", "cpu"}:
            raise UserError(f"device '{device}' names a device of one machine: with ray, give auto, cuda or cpu")
        with session(self.address, unguarded=self.open, gpus=device != "cpu", retries=self.max_retries):
            stages = _Submitted(self, work, tell, device)
            try:
                while frontier:
                    stages.put(frontier.ready())
                    if stages:
                        yield from stages.wait()
            finally:
                stages.cancel()


class _Submitted:
    """Stages that Ray has been given and not given back."""

    def __init__(self, settings: Ray, work: Work, tell: Tell, device: str) -> None:
        import ray

        resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        most = max(node.get("GPU", 0) for node in resources)
        self._requests = settings._by_kind(1.0 if most and device != "cpu" else 0.0)
        self._settings, self._resources, self._tell = settings, resources, tell
        self._running: dict[Any, Stage] = {}
        self._mailbox = open_mailbox()
        self._given = (work, self._mailbox, Path.cwd(), settings.max_retries + 1)
        self._warned: set[Request] = set()
        # A worker whose GPU Ray may have given to another meanwhile, and who sticks to it, must not be used again.
        once = any(request.gpus for request in self._requests.values()) and most != 1
        self._task = ray.remote(max_retries=settings.max_retries, max_calls=int(once))(_attend)

    def __bool__(self) -> bool:
        return bool(self._running)

    def put(self, stages: Sequence[Stage]) -> None:
        """Give stages to Ray.

        Raises:
            UserError: none of the machines has what one of them asks for.
        """
        for stage in stages:
            request = self._requests[stage.kind]
            self._require_room(request, stage)
            reference = self._task.options(**request.options, name=stage.label).remote(stage, *self._given)
            self._running[reference] = stage

    def _require_room(self, request: Request, stage: Stage) -> None:
        if any(request.fits(node) for node in self._resources):
            return
        message = f"{stage.label} asks for {request}, which no machine of the Ray cluster has"
        if not self._settings.address:
            raise UserError(f"{message}; ask for less: ray[gpus_per_stage=...], cpus_per_stage, memory_per_stage")
        if request not in self._warned:
            self._tell(Event("warning", stage, {"message": f"{message}: it waits until one joins"}))
        self._warned.add(request)

    def wait(self) -> Iterator[Outcome]:
        """Wait a moment for outcomes; tell events that came before them."""
        import ray

        ended, _ = ray.wait(list(self._running), timeout=_LOOK_SECONDS)
        for event in ray.get(self._mailbox.fetch.remote()):
            self._tell(event)
        for reference in ended:
            yield self._outcome(reference, self._running.pop(reference))

    def _outcome(self, reference: Any, stage: Stage) -> Outcome:
        import ray

        try:
            return ray.get(reference)  # type: ignore[no-any-return]  # what _attend returns
        except ray.exceptions.RayTaskError as error:  # around the work, which raises nothing
            reason = str(error).strip().splitlines()[-1]
            return Outcome(stage, "failed", error=f"its worker could not begin it ({reason}); {_NEEDED}")
        except ray.exceptions.RayError as error:
            attempts = ray.get(self._mailbox.attempts.remote(stage.key))
            reason = str(error).strip().partition("\n")[0]
            return Outcome(stage, "failed", error=_lost(attempts, f"{type(error).__name__}: {reason}"))

    def cancel(self) -> None:
        """End what still runs."""
        import ray

        for reference in self._running:
            ray.cancel(reference, force=True)


def _lost(attempts: int, reason: str) -> str:
    lost = f"its worker or machine was lost, {attempts} times" if attempts else "no worker could begin it"
    return f"{lost} ({reason}); short of memory? ask for more: ray[memory_per_stage=...]"


def _attend(stage: Stage, work: Work, mailbox: Any, folder: Path, attempts: int) -> Outcome:
    """Work on a stage, unless that was tried so often; runs in a worker of Ray's.

    Ray does not count attempts that it ended itself, short of memory: by itself it begins a stage that never fits for
    ever. Results of the mailbox are awaited as futures: a worker that waits by ``ray.get`` gives up its processor
    meanwhile.
    """
    compute_on_one_thread()
    os.chdir(folder)
    attempt = mailbox.begin.remote(stage.key).future().result()
    if attempt > attempts:
        return Outcome(stage, "failed", error=_lost(attempts, "max_retries is used up"))
    if attempt > 1:
        message = f"{stage.label}: its worker or machine was lost; attempt {attempt}"
        mailbox.post.remote(Event("warning", stage, {"message": message})).future().result()  # it may die again at once
    outcome = work(replace(stage, attempt=attempt), mailbox.post.remote)
    mailbox.attempts.remote(stage.key).future().result()  # calls arrive in order: all events are there before it ends
    return outcome
