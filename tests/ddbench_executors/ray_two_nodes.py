"""A run on a Ray cluster of two nodes, one of which is killed with a stage on it; prints its table.

``Held`` stages begin on both nodes and wait; then the second node is killed, and the rest is let go.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

import ddbench

HEALTH = {"health_check_period_ms": 500, "health_check_failure_threshold": 2, "health_check_initial_delay_ms": 500}


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": HEALTH})
    second = cluster.add_node(num_cpus=1)
    threading.Thread(target=kill_when_busy, args=(cluster, second), daemon=True).start()
    frame = ddbench.run(**json.loads(sys.argv[1]), executor=f"ray[address={cluster.address}]")
    print(json.dumps(frame[["synthesizer", "ipc", "evaluation_seed", "status", "top1", "loss"]].to_dict("records")))  # noqa: T201 - for the test
    cluster.shutdown()


def kill_when_busy(cluster: Cluster, second: object) -> None:
    """Wait until a stage is held on each node, kill the second node, and let go."""
    raylet = second.all_processes["raylet"][0].process.pid  # type: ignore[attr-defined]  # a node of Ray's
    while sorted(parent == raylet for _, parent in began()) != [False, True]:
        time.sleep(0.02)
    [lost] = [index for index, parent in began() if parent == raylet]
    Path("lost").write_text(str(lost))
    workers = subprocess.run(["pgrep", "-P", str(raylet)], capture_output=True, text=True, check=True).stdout.split()
    cluster.remove_node(second, allow_graceful=False)
    for worker in workers:  # by itself it outlives its node for a moment, and could end the stage in it
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(worker), signal.SIGKILL)
    Path("go").touch()


def began() -> list[tuple[int, int]]:
    """Return the indices that were begun, each with the parent of the process that began it."""
    lines = [line.split() for line in Path("held.log").read_text().splitlines()] if Path("held.log").exists() else []
    return [(int(index), int(parent)) for index, parent in lines]


if __name__ == "__main__":
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    assert not ray.is_initialized()
    main()
