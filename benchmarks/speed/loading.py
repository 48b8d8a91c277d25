"""How loading grows with the trials: ``python -m benchmarks.speed.loading``.

Files of results are a few kilobytes each, a million of them some gigabytes. What the index answers for is never opened:
here they are empty, and the index says what they would hold; so it is their listing, the index and the frame that are
measured. What opening them takes is measured on the results that there are.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click
import numpy as np

from benchmarks.speed.stopwatch import Spent, spent
from ddbench import frames, index
from ddbench.keys import digest
from ddbench.listing import Listing, listing

_IN_A_FOLDER = 1000


def empty_files(folder: Path, count: int) -> None:
    """Make files named like results, a thousand in a folder."""
    for number in range(count):
        place = folder / "digits" / f"dwa_rho={number // (10 * _IN_A_FOLDER)}" / f"ipc{number // _IN_A_FOLDER % 10 + 1}"
        if number % _IN_A_FOLDER == 0:
            place.mkdir(parents=True)
        name = f"resnet18-online-standard-synth0-eval{number % _IN_A_FOLDER}-{digest(number)[:8]}.json"
        os.close(os.open(f"{place}/{name}", os.O_CREAT | os.O_WRONLY))


def pretend(listed: Listing, results: Path) -> None:
    """Write an index that takes each file for one of the results, under a key of its own."""
    count = len(listed.paths)
    some = frames.load(results)
    table = some.take(np.arange(count) % len(some)).reset_index(drop=True)
    table["key"] = [digest(number) for number in range(count)]
    index.write(listed, np.arange(count), table.astype({"key": some["key"].dtype}))


def bare(folder: str) -> None:
    """Ask the system for the size and times of each file, and do nothing with them."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                bare(entry.path)
            else:
                entry.stat()


def row(count: int, results: Path, repeats: int) -> tuple[Spent, ...]:
    """Measure the system's listing, ours, and loading in all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        empty_files(folder, count)
        pretend(listing(folder), results)
        assert len(frames.load(folder)) == count
        works = (lambda: bare(name), lambda: listing(folder), lambda: frames.load(folder))
        return tuple(spent(work, repeats) for work in works)


@click.command()
@click.option("--trials", default="1000,100000,1000000", show_default=True)
@click.option("--results", default="results", show_default=True, type=click.Path(exists=True, path_type=Path))
@click.option("--repeats", default=3, show_default=True)
def main(trials: str, results: Path, repeats: int) -> None:
    """Print a row for each number of trials; the folder of temporary files (TMPDIR) needs an inode for each."""
    index.SETTLED_NS = 0  # the files are made now, and nobody changes them
    count = len(frames.load(results))
    each = spent(lambda: frames.load(results), repeats).processor / count
    print(f"a file that is not in the index: {each * 1e3:.2f} ms of the processor")
    print("| trials | asking for size and times alone | listing | loading in all |")
    for count in map(int, trials.split(",")):
        print(f"| {count:,} | {' | '.join(map(str, row(count, results, repeats)))} |", flush=True)


if __name__ == "__main__":
    main()
