"""Promises of event listeners."""

from __future__ import annotations

import contextlib
import copy
import io
import random
import tempfile
from typing import TYPE_CHECKING

import torch

from ddbench.testing import story
from ddbench.testing.conformance.promises import promise

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddbench.types import Event


def check_listener(hook: Callable[[Event], None]) -> None:
    """Check that a ``ddbench_event`` hears a whole run without an error, and changes nothing by it.

    It is called in an empty folder, which is removed afterwards.
    """
    heard = story.events()
    told, printed, before = copy.deepcopy(heard), io.StringIO(), _random()
    with (
        promise("hears every kind of event without an error", vital=True),
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(printed),
    ):
        for event in heard:
            hook(event)
    with promise("leaves what it hears as it was"):
        _promised(heard == told, "changes the payload of an event")
    with promise("draws none of the random numbers that a method would draw"):
        _promised(_random() == before, "draws from torch's or Python's global random state: use one of its own")
    with promise("prints nothing on stdout, where 'run --json' prints its document"):
        _promised(not printed.getvalue(), "prints on stdout: use stderr")


def _promised(kept: bool, sentence: str) -> None:
    if not kept:
        raise AssertionError(f"the listener {sentence}")


def _random() -> tuple[object, ...]:
    return torch.get_rng_state().tolist(), random.getstate()
