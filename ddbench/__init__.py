"""ddbench: the benchmark harness for dataset distillation.

The method chooses the images; the benchmark, never the method, chooses the exam.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from ddbench.errors import UserError
from ddbench.spec import Spec
from ddbench.types import Cell, Result, Trial

if TYPE_CHECKING:
    from ddbench.frames import load
    from ddbench.runner import run

__version__ = "0.1.0"
__all__ = ["Cell", "Result", "Spec", "Trial", "UserError", "__version__", "hookimpl", "load", "run"]

hookimpl = pluggy.HookimplMarker("ddbench")


def __getattr__(name: str) -> object:
    """Import what needs pandas or a plugin manager when it is first asked for."""
    if name == "load":
        from ddbench.frames import load

        return load
    if name == "run":
        from ddbench.runner import run

        return run
    raise AttributeError(f"module 'ddbench' has no attribute '{name}'")
