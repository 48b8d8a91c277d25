"""Stages on many workers, reckoned instead of run: list scheduling of a graph of jobs, as the executors do it."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Order = Literal["plan", "longest"]


@dataclass(frozen=True, slots=True)
class Job:
    """A stage: seconds of one worker, and the names of the jobs that must have ended before."""

    seconds: float
    inputs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long it takes on so many workers, and what share of their time they work."""

    workers: int
    seconds: float
    efficiency: float


Jobs = Mapping[str, Job]
"""Jobs by name, those that others need before these, as the stages of a plan."""


def schedule(jobs: Jobs, workers: int, order: Order = "plan") -> Schedule:
    """Give a free worker the next job that is ready: the first of the plan, or that with the longest way to the end."""
    rank = _ranks(jobs, order)
    readers = _readers(jobs)
    missing = {name: len(set(job.inputs)) for name, job in jobs.items()}
    ready = [(rank[name], name) for name, count in missing.items() if not count]
    heapq.heapify(ready)
    running: list[tuple[float, str]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            name = heapq.heappop(ready)[1]
            heapq.heappush(running, (now + jobs[name].seconds, name))
        now, ended = heapq.heappop(running)
        for reader in readers.get(ended, ()):
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, (rank[reader], reader))
    return Schedule(workers, now, work(jobs) / (now * workers) if now else 1.0)


def work(jobs: Jobs) -> float:
    """Return the seconds of all jobs."""
    return sum(job.seconds for job in jobs.values())


def critical_path(jobs: Jobs) -> list[str]:
    """Return the jobs of the longest way through the graph, which no number of workers shortens."""
    ends: dict[str, float] = {}
    for name, job in jobs.items():
        ends[name] = job.seconds + max((ends[given] for given in job.inputs), default=0.0)
    path = [max(ends, key=lambda name: ends[name])] if ends else []
    while path and (inputs := jobs[path[-1]].inputs):
        path.append(max(inputs, key=lambda name: ends[name]))
    return path[::-1]


def widths(jobs: Jobs) -> list[int]:
    """Return how many jobs have 0, 1, 2, ... jobs before them on the longest way there by count."""
    depths: dict[str, int] = {}
    for name, job in jobs.items():
        depths[name] = 1 + max((depths[given] for given in job.inputs), default=-1)
    counts = Counter(depths.values())
    return [counts[depth] for depth in sorted(counts)]


def shared(jobs: Jobs, slots: int, filled: float) -> dict[str, Job]:
    """Return jobs as they run with several slots on one worker, each of which alone fills a part of it.

    Slots slow each other down as soon as they would need more than the whole worker; all are taken to be busy.
    """
    slower = max(1.0, slots * filled)
    return {name: Job(job.seconds * slower, job.inputs) for name, job in jobs.items()}


def _ranks(jobs: Jobs, order: Order) -> dict[str, float]:
    if order == "plan":
        return {name: float(place) for place, name in enumerate(jobs)}
    left: dict[str, float] = {}
    readers = _readers(jobs)
    for name in reversed(list(jobs)):
        left[name] = jobs[name].seconds + max((left[reader] for reader in readers.get(name, ())), default=0.0)
    return {name: -seconds for name, seconds in left.items()}


def _readers(jobs: Jobs) -> dict[str, list[str]]:
    readers: dict[str, list[str]] = {}
    for name, job in jobs.items():
        for given in set(job.inputs):
            readers.setdefault(given, []).append(name)
    return readers
