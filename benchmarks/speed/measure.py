"""Prints how fast ddbench is beside plain loops written as the papers' scripts do it: ratios, in one run.

Both sides of a ratio run in turn, several times; the medians are compared. Absolute figures are this machine's.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import torch

from benchmarks.speed.plain_recover import plain_recover_iterations
from benchmarks.speed.plain_student import plain_student_epochs
from benchmarks.speed.sizes import LEARNING_RATE, MIXUP, STUDENTS, TEMPERATURE, WEIGHT_DECAY
from ddbench.bench import Context, make_repeatable
from ddbench.benchmark import build, settings
from ddbench.kit import device, inversion, losses, optim, pixels, rng, schedule, train, views
from ddbench.meter import metered
from ddbench.plan import plan
from ddbench.registry import registry
from ddbench.spec import Spec
from ddbench.stages import work
from ddbench.testing import toys
from ddbench.types import Compute, DatasetSpec, Place, Precision, Stage, Views
from ddbench_labelers import asking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.speed.sizes import Student


WIDTH = 26  # of a row's name


@dataclass(frozen=True)
class Figure:
    """Median seconds per unit and the highest peak memory in bytes."""

    seconds: float
    peak: int


def no_progress(done: int, total: int, **numbers: float) -> None:
    """Tell nobody."""


def alternate(where: torch.device, repeats: int, *blocks: Callable[[], object]) -> list[Figure]:
    """Run blocks in turn, one round unmeasured, and return a figure for each."""
    seconds: list[list[float]] = [[] for _ in blocks]
    peaks = [0] * len(blocks)
    for turn in range(repeats + 1):
        for place, block in enumerate(blocks):
            with metered(where) as cost:
                block()
                spent = cost()
            if turn:
                seconds[place].append(spent.seconds)
                peaks[place] = max(peaks[place], spent.peak_memory_bytes)
    return [Figure(statistics.median(each), peak) for each, peak in zip(seconds, peaks, strict=True)]


@contextmanager
def as_in_a_stage(where: torch.device) -> Iterator[None]:
    """Ask torch for the algorithms that a stage asks for, which the papers' scripts do not, inside a ``with`` block."""
    make_repeatable(0, where)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=False)


def described(image_size: int, channels: int, classes: int) -> DatasetSpec:
    """Describe made-up data of a size."""
    return toys.ToyDataset(classes, image_size, channels).spec(Place(Path(), Path()))


def network(name: str, data: DatasetSpec) -> torch.nn.Module:
    """Build a network with the same random weights each time."""
    with rng.seeded(0, "weights"):
        return registry().resolve("architecture", Spec(name)).component.build(data)  # type: ignore[no-any-return]


def recover(compute: Compute, repeats: int, iterations: int) -> list[Figure]:
    """ResNet-18 with the CIFAR stem, 32x32, a batch of 100: SRe2L's iteration."""
    data = described(32, 3, 100)
    start = torch.randn(100, 3, 32, 32, generator=rng.generator(0))
    labels = torch.arange(100)
    plain_model = network("resnet18", data).to(compute.device)
    model = network("resnet18", data)
    settings = inversion.Inversion(iterations, 0.25, 0.01, 0.01, jitter=4)
    part = inversion.Part(0, labels, compute)

    def plain() -> None:
        plain_recover_iterations(plain_model, start.to(compute.device), labels.to(compute.device), iterations)

    def ours() -> None:
        with as_in_a_stage(compute.device):
            inversion.invert(model, start, part, data, settings)

    figures = alternate(compute.device, repeats, plain, ours)
    return [Figure(figure.seconds / iterations, figure.peak) for figure in figures]


def student(chosen: Student, compute: Compute, repeats: int, epochs: int) -> list[Figure]:
    """Padded crop, mixup, AdamW, and a teacher of the same architecture that labels each view in train mode."""
    data = described(chosen.image_size, chosen.channels, 10)
    shape = (chosen.count, chosen.channels, chosen.image_size, chosen.image_size)
    images = torch.randint(0, 256, shape, generator=rng.generator(0)).to(torch.uint8)
    labels = torch.arange(chosen.count) % 10
    plain_model, plain_teacher = (network(chosen.architecture, data).to(compute.device) for _ in range(2))
    model, teacher = (device.place(network(chosen.architecture, data), compute.device) for _ in range(2))
    ask = asking.answering(device.freeze(teacher).train(), compute, calls=asking.MANY)
    placed = images.to(compute.device)
    augmentation = views.Augmentation(padding=chosen.padding, flip=chosen.flip, mixup=MIXUP)

    def loss(logits: torch.Tensor, batch: Views) -> torch.Tensor:
        return losses.soft_label_kl(logits, asking.soft(ask(batch.images), TEMPERATURE), TEMPERATURE)

    def ours() -> None:
        course = train.Course(
            epochs=epochs,
            batches=-(-chosen.count // chosen.batch_size),
            views=partial(views.views, placed, data, augmentation, chosen.batch_size, 0),
            loss=loss,
            optimizer=optim.optimizer(model, "adamw", LEARNING_RATE, 0.0, WEIGHT_DECAY),
            schedule=schedule.cosine(epochs),
            test_every=epochs,
        )
        with as_in_a_stage(compute.device):
            train.fit(model, course, lambda _: train.Score(0.0, 0.0, 0.0), compute)

    def plain() -> None:
        plain_student_epochs(plain_model, plain_teacher, chosen, images, labels, epochs)

    figures = alternate(compute.device, repeats, plain, ours)
    return [Figure(figure.seconds / epochs, figure.peak) for figure in figures]


def preprocessing(compute: Compute) -> torch.Tensor:
    """Touch the device once, so that its start is in nobody's figure."""
    data = described(8, 1, 10)
    return pixels.normalise(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), data).to(compute.device)


def overhead(stages: int) -> float:
    """Seconds the harness adds to a stage: key, lock, checksums, files and events around images made in no time."""
    toy = {"synth": "toy-synth", "dataset": "toy", "teacher": "toy-teacher", "labels": "toy-labels"}
    exam = {"evaluator": "toy-exam", "eval": "toy-net", "ipc": stages}
    known = registry()
    for kind in ("dataset", "architecture", "teacher", "synthesizer", "labeler", "evaluator"):
        known._collect(kind, "baselines", getattr(toys, f"ddbench_{kind}s"))  # the toys need no installing
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), Path(folder))
        planned = plan(build(settings({**toy, **exam}, "{}")), known, place)
        spent = [
            _seconds(stage, Context(Path(folder), place, "cpu"))
            for stage in planned.stages.values()
            if stage.kind in {"squeeze", "synthesize"}
        ]
    return statistics.median(spent[2:])


def _seconds(stage: Stage, context: Context) -> float:
    start = time.perf_counter()
    outcome = work(stage, lambda _event: None, context)
    assert outcome.status == "done", outcome.error
    return time.perf_counter() - start


def ratio(unit: str, plain: Figure, ours: Figure) -> str:
    """Write one comparison."""
    times = f"{plain.seconds * 1e3:9.1f} ms {ours.seconds * 1e3:9.1f} ms per {unit:<10}"
    return f"{times} {plain.seconds / ours.seconds:5.2f} x   {plain.peak / 1e6:7.0f} MB {ours.peak / 1e6:7.0f} MB"


@click.command()
@click.option("--device", "name", default="cpu", show_default=True)
@click.option("--precision", default="float32", type=click.Choice(["float32", "bfloat16"]), show_default=True)
@click.option("--threads", default=1, show_default=True, help="Of torch on a CPU; a worker of ddbench has one.")
@click.option("--repeats", default=5, show_default=True)
@click.option("--iterations", default=4, show_default=True, help="Of recover, per repeat.")
@click.option("--epochs", default=4, show_default=True, help="Of students, per repeat; on a GPU take 100.")
@click.option("--only", multiple=True, help="Rows whose name begins so: recover, student, 'student 32x32', overhead.")
def main(
    name: str, precision: Precision, threads: int, repeats: int, iterations: int, epochs: int, only: tuple[str, ...]
) -> None:
    """Print the ratios."""
    torch.set_num_threads(threads)
    compute = Compute(torch.device(name), precision, 0, no_progress, note=print)
    preprocessing(compute)
    print(f"torch {torch.__version__}, {name}, {precision}, {threads} thread(s), median of {repeats}")
    print(f"{'':{WIDTH}}{'plain':>12} {'ddbench':>12} {'':14} ratio   peak memory")
    rows: dict[str, Callable[[], str]] = {}
    rows["recover"] = lambda: ratio("iteration", *recover(compute, repeats, iterations))
    for size, chosen in STUDENTS.items():
        rows[f"student {size}"] = partial(_student_row, chosen, compute, repeats, epochs)
    rows["overhead"] = lambda: f"{overhead(50) * 1e3:25.1f} ms per stage"
    for row, measured in rows.items():
        if not only or row.startswith(only):
            print(f"{row:{WIDTH}}{measured()}", flush=True)


def _student_row(chosen: Student, compute: Compute, repeats: int, epochs: int) -> str:
    return ratio("epoch", *student(chosen, compute, repeats, epochs))


if __name__ == "__main__":
    main()
