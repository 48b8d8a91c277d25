"""Where stages run: in this process, or in workers of this machine."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_executors() -> dict[str, str | type]:
    """Hand over the executors."""
    return {
        "serial": "ddbench_executors.serial:Serial",
        "processes": "ddbench_executors.processes:Processes",
    }
