"""What stages on a Ray cluster tell the runner, and how often each was begun: an actor where the runner is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddbench.types import Event

_LASTING = {"max_restarts": -1, "max_task_retries": -1}


class Mailbox:
    """Keeps events until the runner fetches them, and counts attempts."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._attempts: Counter[str] = Counter()

    def begin(self, key: str) -> int:
        """Return which attempt at a stage this is."""
        self._attempts[key] += 1
        return self._attempts[key]

    def attempts(self, key: str) -> int:
        """Return how often a stage was begun."""
        return self._attempts[key]

    def post(self, event: Event) -> None:
        """Take an event in."""
        self._events.append(event)

    def fetch(self) -> list[Event]:
        """Hand out what has come since the last time."""
        events, self._events = self._events, []
        return events


def open_mailbox() -> Any:
    """Return the handle of a new mailbox on this machine, which no loss of another machine can take away.

    If its process is ended, short of memory say, it is begun anew and empty: a stage may then count fewer attempts.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(Mailbox).options(**_LASTING, num_cpus=0, scheduling_strategy=here).remote()
