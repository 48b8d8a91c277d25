"""A paper's whole sweep on many GPUs, simulated: ``python -m benchmarks.speed.sweep benchmarks/dwa-table-3.toml ...``.

The graph is the plan of the files that are named, a stage that several of them need once. Its seconds are those that
``ddbench plan`` tells: passes of each network timed on this machine, with ``--faster`` for what a GPU is to it, and
what the harness adds to each stage, which no GPU makes faster. Data sets need not be there: a plan asks their sizes
alone.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.speed.simulation import Job, critical_path, schedule, shared, widths, work
from ddbench import benchmark as grids
from ddbench.cli.amounts import duration
from ddbench.estimate import estimate
from ddbench.plan import Plan, plan
from ddbench.registry import registry
from ddbench.store import Store
from ddbench.types import DatasetSpec, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.speed.simulation import Jobs, Schedule

WORKERS = (1, 8, 64, 1024)
_UNPACKED = ("cifar-10-batches-py", "cifar-100-python")
_SIZES = {"tiny-imagenet": (200, 64, 500), "imagenet1k": (1000, 224, 1281)}  # classes, pixels, images of a class


def planned(files: Iterable[Path]) -> Plan:
    """Return one plan of several benchmarks; what several have in common is in it once."""
    with tempfile.TemporaryDirectory() as folder:
        for name in _UNPACKED:
            Path(folder, name).mkdir()
        for name in _SIZES:
            dataset: Any = registry().entry("dataset", name).load()
            dataset.spec = functools.partialmethod(_described, name)
        place = Place(Path(folder), Path(folder, "cache"))
        plans = [plan(grids.build(grids.load(file)), registry(), place) for file in files]
    stages = {key: stage for each in plans for key, stage in each.stages.items()}
    return Plan(plans[0].benchmark, tuple(trial for each in plans for trial in each.trials), stages)


def _described(_dataset: object, name: str, _place: Place) -> DatasetSpec:
    classes, size, count = _SIZES[name]
    return DatasetSpec(
        name, name, classes, size, 3, (0.5,) * 3, (0.2,) * 3, {"train": classes * count, "test": classes * 50},
        (count,) * classes, name, tuple(map(str, range(classes))),
    )  # fmt: skip


def timed(files: Sequence[Path], device: str) -> dict[str, dict[str, Any]]:
    """Return kind, inputs and seconds of each stage."""
    whole = planned(files)
    with tempfile.TemporaryDirectory() as empty:
        told = estimate(whole, whole.stages, Store(Path(empty)), device)
    return {
        key: {"kind": stage.kind, "inputs": list(stage.inputs.values()), "seconds": told[key].seconds or 0.0}
        for key, stage in whole.stages.items()
    }


def jobs_of(stages: dict[str, dict[str, Any]], faster: float, overhead: float) -> Jobs:
    """Return stages as jobs on a GPU."""
    return {key: Job(each["seconds"] / faster + overhead, each["inputs"]) for key, each in stages.items()}


def told(name: str, stages: dict[str, dict[str, Any]], jobs: Jobs) -> Iterable[str]:
    """Yield what bounds a sweep: its work, the longest way through it, and how many stages are side by side."""
    path = critical_path(jobs)
    kinds = Counter(each["kind"] for each in stages.values())
    way = Counter[str]()
    for key in path:
        way[stages[key]["kind"]] += round(jobs[key].seconds)
    yield f"{name}: {len(stages)} stages ({', '.join(f'{count} {kind}' for kind, count in kinds.items())})"
    yield f"work of one GPU: {duration(work(jobs))}"
    longest = sum(jobs[key].seconds for key in path)
    yield f"longest way: {duration(longest)} ({', '.join(f'{kind} {duration(took)}' for kind, took in way.items())})"
    yield f"the two are equal on {work(jobs) / longest:.0f} GPUs; side by side by depth: {widths(jobs)}"


def row(jobs: Jobs, workers: int) -> str:
    """Return a row: time and efficiency in the plan's order, longest way first, and with four slots a GPU."""
    found: list[Schedule] = [schedule(jobs, workers), schedule(jobs, workers, "longest")]
    cells = [f"{duration(each.seconds)}, {each.efficiency:.2f}" for each in found]
    for filled in (0.25, 0.5):
        slots = schedule(shared(jobs, 4, filled), 4 * workers)
        cells.append(f"{duration(slots.seconds)}, {work(jobs) / (workers * slots.seconds):.2f}")
    return f"| {workers:,} | {' | '.join(cells)} |"


def plot(curves: dict[str, Jobs], path: Path) -> None:
    """Draw how many times faster than one GPU each sweep is, and its bound."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "ddbench"
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    counts = [2**power for power in range(12)]
    axes.plot(counts, counts, color="0.7", linewidth=1, label="ideal")
    for place, (name, jobs) in enumerate(curves.items()):
        total, color = work(jobs), f"C{place}"
        faster = [total / schedule(jobs, count).seconds for count in counts]
        axes.plot(counts, faster, marker="o", markersize=3, color=color, label=name)
        bound = total / sum(jobs[key].seconds for key in critical_path(jobs))
        axes.axhline(bound, color=color, linewidth=0.8, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="GPUs", ylabel="times faster than one GPU")
    axes.set_xticks([1, 8, 64, 1024], ["1", "8", "64", "1,024"])
    axes.set_xticks([], minor=True)
    axes.legend(frameon=False)
    axes.grid(which="major", color="0.9", linewidth=0.5)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--device", default="cpu", show_default=True, help="On which passes are timed.")
@click.option("--faster", default=1.0, show_default=True, help="How many times faster than it a GPU is.")
@click.option("--overhead", default=0.01, show_default=True, help="Seconds that the harness adds to a stage.")
@click.option("--times", type=click.Path(path_type=Path), help="Where seconds are kept, or are read if it is there.")
@click.option("--plot", "picture", type=click.Path(path_type=Path), help="Where the figure goes.")
def main(
    files: tuple[Path, ...], device: str, faster: float, overhead: float, times: Path | None, picture: Path | None
) -> None:
    """Print tables of the first file alone and of all together."""
    known = json.loads(times.read_text()) if times and times.exists() else timed(files, device)
    if times:
        times.write_text(json.dumps(known))
    first = planned(files[:1]).stages.keys()
    sweeps = {files[0].stem: {key: known[key] for key in first}, f"{len(files)} files": known}
    curves = {name: jobs_of(stages, faster, overhead) for name, stages in sweeps.items()}
    for name, jobs in curves.items():
        print("\n".join(told(name, sweeps[name], jobs)))
        print("| GPUs | in the plan's order | longest way first | 4 slots, 1/4 filled | 4 slots, 1/2 filled |")
        print("\n".join(row(jobs, count) for count in WORKERS))
    if picture:
        plot(curves, picture)


if __name__ == "__main__":
    main()
