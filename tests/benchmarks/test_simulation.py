"""List scheduling on graphs that are worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.speed.simulation import Job, critical_path, schedule, shared, widths, work

CHAIN = {"a": Job(3), "b": Job(2, ("a",)), "c": Job(1, ("b",))}
FORK = {
    "root": Job(1),
    "x": Job(2, ("root",)),
    "y": Job(2, ("root",)),
    "z": Job(2, ("root",)),
    "end": Job(1, tuple("xyz")),
}
LATE = {"s1": Job(1), "s2": Job(1), "s3": Job(1), "s4": Job(1), "long": Job(4)}


def test_a_chain_takes_as_long_on_any_number_of_workers() -> None:
    assert [schedule(CHAIN, workers).seconds for workers in (1, 2, 1024)] == [6, 6, 6]
    assert schedule(CHAIN, 2).efficiency == 0.5
    assert critical_path(CHAIN) == ["a", "b", "c"]
    assert widths(CHAIN) == [1, 1, 1]


def test_a_fork_takes_as_long_as_the_workers_need_turns() -> None:
    assert [schedule(FORK, workers).seconds for workers in (1, 2, 3, 8)] == [8, 1 + 4 + 1, 1 + 2 + 1, 4]
    assert schedule(FORK, 3).efficiency == pytest.approx(8 / 12)
    assert widths(FORK) == [1, 3, 1]
    assert critical_path(FORK)[::2] == ["root", "end"]


def test_the_order_of_the_plan_may_leave_the_longest_job_for_the_end() -> None:
    assert schedule(LATE, 2, "plan").seconds == 2 + 4
    assert schedule(LATE, 2, "longest").seconds == 4


def test_the_longest_way_counts_what_is_behind_a_job() -> None:
    jobs = {"dull": Job(3), "key": Job(1), "after": Job(5, ("key",))}
    assert schedule(jobs, 1).seconds == 9
    assert schedule(jobs, 2, "longest").seconds == 6
    assert critical_path(jobs) == ["key", "after"]


def test_a_job_that_reads_one_thing_twice_waits_once() -> None:
    assert schedule({"a": Job(1), "b": Job(1, ("a", "a"))}, 4).seconds == 2


def test_no_worker_is_idle_while_a_job_is_ready() -> None:
    """Two chains on two workers: the short one ends, and its worker takes what the long one has made ready."""
    jobs = {"a": Job(2), "b": Job(1), "c": Job(3, ("a",)), "d": Job(3, ("b",)), "e": Job(1, ("a", "b"))}
    assert schedule(jobs, 2).seconds == 5
    assert schedule(jobs, 3).seconds == 5
    assert work(jobs) == 10
    assert schedule(jobs, 2).efficiency == 1.0


def test_more_workers_are_never_faster_than_the_longest_way_nor_slower_than_one() -> None:
    for jobs in (CHAIN, FORK, LATE):
        longest = sum(jobs[name].seconds for name in critical_path(jobs))
        for workers in (1, 2, 3, 5):
            assert max(longest, work(jobs) / workers) <= schedule(jobs, workers).seconds <= work(jobs)


@pytest.mark.parametrize(("filled", "seconds"), [(0.25, 2), (0.5, 4), (1, 8)])
def test_four_slots_on_a_gpu_pay_as_far_as_one_stage_leaves_it_idle(filled: float, seconds: float) -> None:
    jobs = {name: Job(2) for name in "abcd"}
    assert schedule(shared(jobs, 4, filled), 4).seconds == seconds


def test_nothing_to_do_takes_no_time() -> None:
    assert (schedule({}, 8).seconds, critical_path({}), widths({})) == (0, [], [])
