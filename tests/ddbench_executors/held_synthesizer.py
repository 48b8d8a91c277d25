"""A synthesizer that writes down where it began, and waits until it is let go. Installed as a plugin by a test."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ddbench import hookimpl
from ddbench.testing.toys import ToySynth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddbench.types import Batch, SynthesisTask


@hookimpl
def ddbench_synthesizers() -> dict[str, str | type]:
    return {"held": Held}


@dataclass(frozen=True)
class Held:
    """Waits until there is a file ``go``."""

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = True

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        with Path("held.log").open("a") as log:
            log.write(f"{task.indices[0]} {os.getppid()}\n")
        while not Path("go").exists():
            time.sleep(0.02)
        yield from ToySynth().synthesize(task)
