"""One thread for each worker: on busy cores, two pools that fight are many times slower than one thread each."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ALONE = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
"""What tells the pools of threads in a process that starts with it to have one thread."""


def compute_on_one_thread() -> None:
    """Let this process compute on one thread: what is yet to be imported, and torch, if it has been."""
    os.environ.update(ALONE)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables for a moment: what is started meanwhile has them all its life."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
