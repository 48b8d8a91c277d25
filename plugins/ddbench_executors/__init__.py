"""Where stages run: in this process, in workers of this machine, on a Ray cluster, or on a Slurm cluster."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_executors() -> dict[str, str | type]:
    """Hand over the executors."""
    return {
        "serial": "ddbench_executors.serial:Serial",
        "processes": "ddbench_executors.processes:Processes",
        "ray": "ddbench_executors.ray_cluster:Ray",
        "slurm": "ddbench_executors.slurm:Slurm",
    }
