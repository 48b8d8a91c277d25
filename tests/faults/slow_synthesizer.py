"""A synthesizer that takes its time, and leaves a trace of what it did. Installed as a plugin by a fixture."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Gt

from ddbench import hookimpl
from ddbench.testing.toys import ToySynth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddbench.types import Batch, SynthesisTask


@hookimpl
def ddbench_synthesizers() -> dict[str, str | type]:
    return {"slow": Slow}


@dataclass(frozen=True)
class Slow:
    """Takes its time, and writes down which index it began and which it finished."""

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = True

    seconds: Annotated[float, Gt(0)] = 0.3
    tells: bool = True

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        self._log("began", task.indices[0])
        for step in range(10):
            time.sleep(self.seconds / 10)
            if self.tells:
                task.compute.progress(step + 1, 10, loss=1.0)
        yield from ToySynth().synthesize(task)
        self._log("made", task.indices[0])

    def _log(self, what: str, index: int) -> None:
        with Path(os.environ["SLOW_LOG"]).open("a") as log:
            log.write(f"{what} {index}\n")
