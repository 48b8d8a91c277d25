"""Which stages may run now."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from ddbench.types import Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ddbench.types import Stage


class StageFrontier:
    """The stages of a run whose inputs are there; ``ddbench.protocols.Frontier`` says what executors see of it.

    Attributes:
        skipped: outcomes of stages that will never run because an input failed, with that failure as their error.
    """

    def __init__(self, stages: Mapping[str, Stage], needed: Collection[str]) -> None:
        self._stages = stages
        self._graph: TopologicalSorter[str] = TopologicalSorter(
            {
                key: [given for given in stages[key].inputs.values() if given in needed]
                for key in stages
                if key in needed
            }
        )
        self._graph.prepare()
        self._failed: dict[str, str] = {}
        self.skipped: list[Outcome] = []

    def __bool__(self) -> bool:
        """Tell whether stages are left, be they ready, running or waiting."""
        return self._graph.is_active()

    def ready(self) -> list[Stage]:
        """Return stages that became ready since the last call, each once; skips those whose inputs failed."""
        ready: list[Stage] = []
        while keys := self._graph.get_ready():
            for stage in (self._stages[key] for key in keys):
                error = next((self._failed[key] for key in stage.inputs.values() if key in self._failed), None)
                if error is None:
                    ready.append(stage)
                else:
                    self.skipped.append(Outcome(stage, "skipped", error=error))
                    self._end(stage.key, error)
        return ready

    def fail(self, key: str, error: str) -> None:
        """Declare the artifact of a stage that does not run in this frontier useless to those who would read it."""
        self._failed[key] = error

    def settle(self, outcome: Outcome) -> None:
        """Take note that a stage has ended: what reads it may run, or is skipped if it failed."""
        self._end(outcome.stage.key, outcome.error if outcome.status == "failed" else None)

    def _end(self, key: str, error: str | None) -> None:
        if error is not None:
            self._failed[key] = error
        self._graph.done(key)
