"""What an executor is given to do when it is checked: a module that every worker can import."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ddbench.types import Event, Outcome

if TYPE_CHECKING:
    from ddbench.protocols import Tell
    from ddbench.types import Stage


def errand(stage: Stage, tell: Tell) -> Outcome:
    """Do as the stage's facts say: ``fail``, or ``die`` in any process but that one; else tell of two events.

    The outcome says on how many threads torch computes.
    """
    if stage.facts.get("die", os.getpid()) != os.getpid():
        os._exit(1)
    if stage.facts.get("fail"):
        return Outcome(stage, "failed", {}, "told to fail")
    import torch

    tell(Event("stage-started", stage))
    tell(Event("stage-progress", stage, {"done": 1, "total": 1}))
    return Outcome(stage, "done", {"threads": torch.get_num_threads()})
