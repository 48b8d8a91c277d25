"""Stages in workers: one per CPU core, or one per GPU."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge

from ddbench.types import Event, Outcome
from ddbench_executors import machine
from ddbench_executors.serial import Serial
from ddbench_executors.threads import ALONE, compute_on_one_thread, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.context import SpawnProcess

    from ddbench.protocols import Frontier, Tell, Work
    from ddbench.types import Stage

_GRACE_SECONDS = 1.0  # between asking a worker to end and ending it
_LOOK_SECONDS = 1.0  # between two looks for workers that died without closing their connections
_SHORT_OF_MEMORY = "short of memory? try fewer workers"
_UNGUARDED = "a script must call ddbench.run() under: if __name__ == '__main__':"
_ATTEMPTS = 2  # a worker that dies (out of memory, say) costs its stage one attempt


@dataclass(frozen=True)
class Processes:
    """Workers of this machine, one stage each at a time: one per GPU where there are several, else one per CPU core.

    Each worker computes on one thread, so that workers never fight for cores and results do not depend on their
    number. It imports torch once and keeps the data set and the teacher for its next stage. A worker that dies, short
    of memory say, is replaced, and its stage tried once more. Workers end with the process that started them.

    Attributes:
        workers: how many; more than GPUs share them in turn. 0 means one per GPU, or one per core that this process
            may use where there is no GPU; where that is one, stages run in this process, which has torch already.
    """

    version: ClassVar[int] = 1

    workers: Annotated[int, Ge(0)] = 0

    def map(self, work: Work, frontier: Frontier, tell: Tell, device: str = "auto") -> Iterator[Outcome]:
        """Yield outcomes as they come."""
        gpus = machine.gpus() if device in {"auto", "cuda"} else []
        fitting = 1 if device not in {"auto", "cuda", "cpu"} else len(gpus) or machine.cores()
        if not self.workers and fitting == 1:
            yield from Serial().map(work, frontier, tell, device)
            return
        pool = _Pool(work, self.workers or fitting, gpus)
        try:
            while frontier:
                pool.put(frontier.ready())
                if pool.busy:
                    yield from pool.wait(tell)
        finally:
            pool.close()


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection[Any, Any]
    slot: int
    began: bool = False
    stage: Stage | None = None


class _Pool:
    """Workers, started when there is work for them, and the stages that wait."""

    def __init__(self, work: Work, size: int, gpus: list[str]) -> None:
        self._work, self._size, self._gpus = work, size, gpus
        self._workers: list[_Worker] = []
        self._waiting: list[Stage] = []

    @property
    def busy(self) -> bool:
        """Whether a worker computes."""
        return any(worker.stage for worker in self._workers)

    def put(self, stages: Sequence[Stage]) -> None:
        """Queue stages and give them to idle workers."""
        self._waiting.extend(stages)
        while self._waiting and (worker := self._idle()):
            worker.stage = self._waiting.pop(0)
            with contextlib.suppress(BrokenPipeError):  # it died while idle: wait() finds out and buries it
                worker.connection.send(worker.stage)

    def _idle(self) -> _Worker | None:
        free = next((worker for worker in self._workers if worker.stage is None), None)
        return free or (self._start() if len(self._workers) < self._size else None)

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        slot = min(set(range(self._size)) - {worker.slot for worker in self._workers})
        gpu = self._gpus[slot % len(self._gpus)] if self._gpus else None
        process = context.Process(target=_serve, args=(theirs, self._work, gpu), name=f"ddbench-{slot}")
        resource_tracker.ensure_running()  # by itself it would start just before the process, and let Ctrl-C through
        with _interrupts_held(), environment(**ALONE):
            process.start()
            self._workers.append(_Worker(process, ours, slot))
        theirs.close()
        return self._workers[-1]

    def wait(self, tell: Tell) -> Iterator[Outcome]:
        """Wait for news of workers: tell their events, yield their outcomes."""
        busy = {worker.connection: worker for worker in self._workers if worker.stage}
        heard = set(wait(list(busy), _LOOK_SECONDS))
        for connection, worker in busy.items():
            if connection not in heard and worker.process.is_alive():
                continue
            outcome = self._receive(worker, tell)
            if outcome is not None:
                yield outcome

    def _receive(self, worker: _Worker, tell: Tell) -> Outcome | None:
        try:
            if not worker.connection.poll():  # it died, and a child of its own keeps the connection open
                return self._bury(worker, tell)
            news = worker.connection.recv()
        except (EOFError, OSError):
            return self._bury(worker, tell)
        worker.began = True
        if isinstance(news, Event):
            tell(news)
            return None
        worker.stage = None
        return news  # type: ignore[no-any-return]

    def _bury(self, worker: _Worker, tell: Tell) -> Outcome | None:
        """Take a dead worker out; its stage is tried once more by another."""
        stage = worker.stage
        assert stage is not None
        self._workers.remove(worker)
        worker.process.join()
        reason = f"its worker died with exit code {worker.process.exitcode}"
        if stage.attempt >= _ATTEMPTS:
            advice = _SHORT_OF_MEMORY if worker.began else _UNGUARDED
            return Outcome(stage, "failed", error=f"{reason}, {_ATTEMPTS} times; {advice}")
        tell(Event("warning", stage, {"message": f"{stage.label}: {reason}; trying once more"}))
        self._waiting.insert(0, dataclasses.replace(stage, attempt=stage.attempt + 1))
        return None

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_GRACE_SECONDS)
            worker.process.kill()
            worker.process.join()


def _end_with_runner() -> None:
    """End this process when the runner's has ended, even by kill -9 in the middle of a stage that tells nothing."""
    runner = multiprocessing.parent_process()
    assert runner is not None
    runner.join()
    os._exit(1)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back for a moment: a process started meanwhile never hears it, and leaves it to the runner."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection[Any, Any], work: Work, gpu: str | None) -> None:
    """Work on stages until the other end is closed; runs in the worker."""
    os.dup2(2, 1)  # what a component prints must not come into the document that the runner prints
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's matter, whichever thread hears it
    threading.Thread(target=_end_with_runner, daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    compute_on_one_thread()
    try:
        while True:
            connection.send(work(connection.recv(), connection.send))
    except (EOFError, OSError):
        return  # the runner is gone, perhaps in the middle of a message
