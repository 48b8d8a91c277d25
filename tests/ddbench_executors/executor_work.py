"""What the workers of these tests do: a module of its own, which a worker can import."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ddbench.types import Event, Outcome, Stage

if TYPE_CHECKING:
    from ddbench.protocols import Tell


def name_worker(stage: Stage, tell: Tell) -> Outcome:
    """Tell of a start, and say which process worked, on how many threads."""
    import torch

    tell(Event("stage-started", stage))
    return Outcome(stage, "done", {"pid": os.getpid(), "threads": torch.get_num_threads()})


def fail_a(stage: Stage, tell: Tell) -> Outcome:
    """Fail the stage whose key begins with a."""
    return Outcome(stage, "failed", error="no") if stage.key.startswith("a") else Outcome(stage, "done")


def die_by_name(stage: Stage, tell: Tell) -> Outcome:
    """Die always for ``always``, once for the path of a file that is not there yet."""
    if stage.key == "always":
        os.kill(os.getpid(), signal.SIGKILL)
    if stage.key.startswith("/") and not Path(stage.key).exists():
        Path(stage.key).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(stage, "done")


def name_gpu(stage: Stage, tell: Tell) -> Outcome:
    """Say which GPUs the worker may see, after long enough for another worker to take a stage too."""
    time.sleep(0.5)
    return Outcome(stage, "done", {"pid": os.getpid(), "gpu": os.environ.get("CUDA_VISIBLE_DEVICES")})


def think_aloud(stage: Stage, tell: Tell) -> Outcome:
    """Print."""
    print("thinking aloud", flush=True)  # noqa: T201 - as components of others do
    return Outcome(stage, "done")


def obey(stage: Stage, tell: Tell) -> Outcome:
    """Do as the facts say: write the attempt into ``log``, ``die`` in the first attempts, ``fail``, wait for ``until``.

    Nothing heavy is imported.
    """
    tell(Event("stage-started", stage))
    facts = stage.facts
    with Path(facts["log"]).open("a") as log:
        log.write(f"{stage.key} {stage.attempt} {os.getpid()}\n")
    if stage.attempt <= facts.get("die", 0):
        os._exit(7)
    while "until" in facts and not Path(facts["until"]).exists():
        time.sleep(0.02)
    tell(Event("stage-progress", stage, {"done": 1, "total": 1}))
    if facts.get("fail"):
        return Outcome(stage, "failed", error="told to fail")
    seen = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "SLURM_MEM_PER_NODE")}
    return Outcome(stage, "done", {"attempt": stage.attempt, "pid": os.getpid(), **seen})


def die_before_its_child(stage: Stage, tell: Tell) -> Outcome:
    """Die in the first attempt, and leave a forked process behind, whose number it writes into ``log``."""
    if stage.attempt == 1:
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(120,))
        child.start()
        Path(stage.facts["log"]).write_text(str(child.pid))
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(stage, "done")


class Unreadable:
    """What can be pickled and not read again, as where a package is missing."""

    def __reduce__(self) -> tuple[type[int], tuple[str]]:
        return int, ("nonsense",)
