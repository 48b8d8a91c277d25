"""A run whose stages are all done, and the store as it grows: ``python -m benchmarks.speed.reuse``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import torch

from benchmarks.speed.stopwatch import spent
from benchmarks.speed.toy_plugin import GRID, toys
from ddbench.artifact import META
from ddbench.benchmark import build, settings
from ddbench.keys import digest
from ddbench.spec import Spec
from ddbench.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEEDS = 10
_WEIGHTS = 11_200_000  # of a ResNet-18: 45 MB


def all_done(folder: Path, trials: int) -> str:
    """Run trials of the toys, then again; returns a row of the second time."""
    from ddbench.runner import Settings, execute, prepare

    lists = GRID | {"ipc": 10, "synth_seeds": f"0-{trials // _SEEDS - 1}", "seeds": f"0-{_SEEDS - 1}"}
    chosen = build(settings(lists, "{}"))
    where = Settings(folder / "results", folder / "store", device="cpu", executor=Spec("serial"))
    plan = prepare(chosen, where)
    execute(plan, where)
    time = spent(lambda: execute(plan, where), 3)
    count = len(plan.stages)
    return f"| {trials:,} | {count:,} | {time} | {time.seconds / count * 1e3:.2f} ms |"


def artifacts(store: Store, count: int) -> None:
    """Put small artifacts into a store, one like the other but for their keys."""
    draft = store.draft("first")
    draft.save("batch-00000", {"images": torch.zeros(10, 3, 32, 32, dtype=torch.uint8), "labels": torch.arange(10)})
    content = (draft.folder / "batch-00000.safetensors").read_bytes()
    for key in map(digest, range(count)):
        folder = store.artifact("synthesize", key).folder
        folder.mkdir(parents=True)
        meta = {"kind": "synthesize", "key": key, "facts": {}, "inputs": {}, "result": {}, "files": draft.files}
        (folder / "batch-00000.safetensors").write_bytes(content)
        (folder / META).write_text(json.dumps({**meta, "checksum": digest(meta)}), encoding="utf-8")


def storage(folder: Path, count: int) -> str:
    """Return a row: seconds to list a store, to glance at each artifact, to verify every byte."""
    store = Store(folder)
    artifacts(store, count)
    works = (
        lambda: list(store.artifacts()),
        lambda: [artifact.glance() for artifact in store.artifacts()],
        lambda: [artifact.verify() for artifact in store.artifacts()],
    )
    return f"| {count:,} | {' | '.join(str(spent(work)) for work in works)} |"


def teacher(folder: Path) -> str:
    """Tell what a glance at the weights of a ResNet-18 takes, and what their verification."""
    store = Store(folder)
    draft = store.draft("weights")
    draft.save("weights", {"weights": torch.zeros(_WEIGHTS)})
    store.commit(draft, "squeeze", "weights", {})
    artifact = store.artifact("squeeze", "weights")
    glance, verify = (spent(work, 5).processor * 1e3 for work in (artifact.glance, artifact.verify))
    return f"{4 * _WEIGHTS / 1e6:.0f} MB of weights: a glance {glance:.2f} ms, verified {verify:.1f} ms"


def _rows(trials: str, counts: str, folder: Path) -> Iterator[str]:
    yield "| trials | stages, all done | time (of the processor) | a stage |"
    yield from (all_done(folder / f"run{count}", int(count)) for count in trials.split(","))
    yield "| artifacts | listed | glanced at | verified |"
    for count in counts.split(","):
        with tempfile.TemporaryDirectory(dir=folder) as store:
            yield storage(Path(store), int(count))
    yield teacher(folder / "teacher")


@click.command()
@click.option("--trials", default="10,100,1000", show_default=True)
@click.option("--artifacts", "counts", default="10,1000,100000", show_default=True)
def main(trials: str, counts: str) -> None:
    """Print tables; the folder of temporary files (TMPDIR) needs 20 kB for each artifact."""
    with toys() as folder:
        for line in _rows(trials, counts, folder):
            print(line, flush=True)


if __name__ == "__main__":
    main()
