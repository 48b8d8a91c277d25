"""What a second worker brings: ``python -m benchmarks.speed.workers``.

Students of the toys train for some steps each, in one worker and in two, each on one thread. Two cores are seldom twice
one (hyperthreads share one, neighbours take their part), so that the same training in plain processes, without ddbench,
is measured in turn with them.
"""

from __future__ import annotations

import functools
import multiprocessing
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.speed.toy_plugin import GRID, toys
from ddbench.bench import Context
from ddbench.benchmark import build, settings
from ddbench.plan import plan
from ddbench.registry import registry
from ddbench.spec import Spec
from ddbench.stages import work
from ddbench.types import Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.synchronize import Barrier

    from ddbench.types import Event, Stage

_WARM = 3  # stages of each worker before the clock starts


@dataclass
class _Supply:
    """A frontier of stages that are all ready, until enough have ended since all workers were seen at work."""

    stages: Iterator[Stage]
    workers: int
    enough: int
    waiting: int = 0
    running: int = 0
    ends: list[float] = field(default_factory=list)
    all_at_work: bool = False

    def __bool__(self) -> bool:
        return self.waiting > 0 or len(self.ends) < self.enough

    def ready(self) -> list[Stage]:
        """Return as many as keep the workers busy."""
        wanted = 2 * self.workers - self.waiting if len(self.ends) < self.enough else 0
        new = [next(self.stages) for _ in range(wanted)]
        self.waiting += len(new)
        return new

    def tell(self, event: Event) -> None:
        """Count the stages that run."""
        self.running += event.name == "stage-started"
        self.all_at_work |= self.running == self.workers

    def settle(self) -> None:
        """Note the end of a stage."""
        self.waiting -= 1
        self.running -= 1
        if self.all_at_work:
            self.ends.append(time.perf_counter())


def harness(folder: Path, workers: int, steps: int, stages: int) -> float:
    """Return students trained in a second by ddbench, once all workers are warm."""
    lists: dict[str, Any] = GRID | {"evaluator": f"toy-exam[steps={steps}]", "seeds": "0-9999"}
    context = Context(folder / f"store-{workers}-{steps}-{time.time_ns()}", Place(folder, folder), "cpu")
    every = plan(build(settings(lists, "{}")), registry(), context.place).stages.values()
    for stage in every:
        if stage.kind != "evaluate":
            assert work(stage, lambda _event: None, context).status == "done"
    first = _WARM * workers
    students = iter([stage for stage in every if stage.kind == "evaluate"])
    supply = _Supply(students, workers, first + stages + 1)
    executor = registry().resolve("executor", Spec.of("processes", {"workers": workers})).component
    for outcome in executor.map(functools.partial(work, context=context), supply, supply.tell, "cpu"):
        assert outcome.status == "done", outcome.error
        supply.settle()
    return stages / (supply.ends[first + stages] - supply.ends[first])


def plain(workers: int, steps: int, stages: int) -> float:
    """Return students trained in a second by processes that do nothing else, between a start and an end in common."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(workers + 1)
    share = max(1, stages // workers)
    processes = [context.Process(target=_train, args=(barrier, steps, share)) for _ in range(workers)]
    for process in processes:
        process.start()
    barrier.wait()
    start = time.perf_counter()
    barrier.wait()
    seconds = time.perf_counter() - start
    for process in processes:
        process.join()
    return workers * share / seconds


def _train(barrier: Barrier, steps: int, students: int) -> None:
    import torch

    from ddbench.kit.pixels import normalise
    from ddbench.testing.toys import ToyDataset, ToyNet, _descend
    from ddbench.types import Place

    torch.set_num_threads(1)
    nowhere = Place(Path(), Path())
    data, train = ToyDataset().spec(nowhere), ToyDataset().open("train", nowhere)
    images, labels = normalise(train.images(slice(0, 60, 20)), data), train.labels[::20]  # one of each class
    _descend(ToyNet().build(data), images, labels, steps)
    barrier.wait()
    for _ in range(students):
        _descend(ToyNet().build(data), images, labels, steps)
    barrier.wait()


def row(folder: Path, steps: int, stages: int, rounds: int) -> str:
    """Measure in turn; returns a row of medians."""
    found = [
        (plain(1, steps, stages), plain(2, steps, stages),
         harness(folder, 1, steps, stages), harness(folder, 2, steps, stages))
        for _ in range(rounds)
    ]  # fmt: skip
    alone, both, one, two = (statistics.median(each) for each in zip(*found, strict=True))
    can = statistics.median(each[1] / each[0] for each in found)
    does = statistics.median(each[3] / each[2] for each in found)
    rates = f"{alone:.2f} | {both:.2f} | {one:.2f} | {two:.2f}"
    return f"| {1e3 / one:.0f} ms | {rates} | {does:.2f} | {can:.2f} | {does / can:.2f} |"


@click.command()
@click.option("--steps", default="100,1000,5000", show_default=True, help="Of one student's training.")
@click.option("--stages", default=16, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(steps: str, stages: int, rounds: int) -> None:
    """Print a row for each length of a stage."""
    print("| a stage takes | plain, 1 | plain, 2 | ddbench, 1 | ddbench, 2 worker(s) | gain | possible | efficiency |")
    with toys() as folder:
        for each in map(int, steps.split(",")):
            print(row(folder, each, stages, rounds), flush=True)


if __name__ == "__main__":
    main()
