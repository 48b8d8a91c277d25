"""Which job has which stage, and what it tells: files beside submitit's, where all machines and commands look."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ddbench.types import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ddbench.types import Stage


@dataclass(frozen=True)
class Ticket:
    """Which job has a stage, by the stage's key, and the attempt that this is."""

    key: str
    job: str
    attempt: int

    @property
    def array(self) -> str:
        """The number under which Slurm knows all jobs of an array."""
        return self.job.partition("_")[0]


class Files:
    """Tickets and events by stage, in a folder of jobs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "stages"
        self._heard: dict[str, int] = {}

    def clear(self, keys: Iterable[str]) -> None:
        """Make room for new jobs, which may begin at once: what earlier ones have told of the same stages goes."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for key in keys:
            self._events(key).unlink(missing_ok=True)
            self._heard.pop(key, None)

    def write(self, ticket: Ticket) -> None:
        """Write down which job has a stage, in place of an earlier one."""
        path = self._path(ticket.key)
        aside = path.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(asdict(ticket)), encoding="utf-8")
        aside.replace(path)

    def ticket(self, key: str) -> Ticket | None:
        """Return the ticket of a stage, None if it was never handed over."""
        try:
            return Ticket(**json.loads(self._path(key).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def note(self, event: Event) -> None:
        """Write an event down where the runner looks for it; called in a job."""
        assert event.stage is not None
        line = json.dumps([event.name, dict(event.payload)])
        with self._events(event.stage.key).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def have_told(self, key: str) -> bool:
        """Tell whether the job of a stage has told anything yet."""
        return self._events(key).exists()

    def news(self, stage: Stage) -> Iterator[Event]:
        """Yield what a stage has told since the last time."""
        path = self._events(stage.key)
        if not path.exists():
            return
        with path.open(encoding="utf-8") as file:
            file.seek(self._heard.get(stage.key, 0))
            for line in iter(file.readline, ""):
                if not line.endswith("\n"):
                    return  # its other half is being written
                self._heard[stage.key] = file.tell()
                try:
                    name, payload = json.loads(line)
                except ValueError:
                    continue  # a job that was killed had written half of it
                yield Event(name, stage, payload)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"

    def _events(self, key: str) -> Path:
        return self._folder / f"{key}.events"
