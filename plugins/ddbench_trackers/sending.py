"""Sends trials in a thread of its own: no run waits for a tracker, but a little at its end."""

from __future__ import annotations

import importlib
import threading
from dataclasses import fields
from importlib.util import find_spec
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError, suggestion
from ddbench.spec import Spec
from ddbench_trackers.trial import trial_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddbench.types import Event
    from ddbench_trackers.trial import Tracker

PATIENCE = 30.0
"""Seconds in which, at the end of a run, something must have been sent for the wait to go on."""

_TRACKERS = {"tensorboard": "TensorBoard", "wandb": "WandB", "mlflow": "MLflow"}


def hear(event: Event, chosen: str) -> None:
    """Send what an event tells of to the trackers chosen: ``tensorboard[folder=runs],wandb``.

    Raises:
        UserError: there is no such tracker, or its library is not installed; told when the run starts.
        RuntimeError: something could not be sent; told when the run has ended.
    """
    if event.name == "run-started":
        _sendings.append(Sending(trackers(chosen)))
    elif event.name == "trial-finished":
        _sendings[-1].put(event.payload["result"])
    else:
        _sendings.pop().close()


_sendings: list[Sending] = []


def trackers(chosen: str) -> dict[str, Tracker]:
    """Return trackers by their specs.

    Raises:
        UserError: as ``hear`` says.
    """
    return {str(spec): _tracker(spec) for spec in Spec.parse_list(chosen)}


def _tracker(spec: Spec) -> Tracker:
    if spec.name not in _TRACKERS:
        raise UserError(f"DDBENCH_TRACKERS: there is no tracker '{spec.name}'{suggestion(spec.name, _TRACKERS)}")
    if find_spec(spec.name) is None:
        raise UserError(f"DDBENCH_TRACKERS: '{spec.name}' is not installed: pip install {spec.name}")
    target: Any = getattr(importlib.import_module(f"ddbench_trackers.{spec.name}"), _TRACKERS[spec.name])
    known = [field.name for field in fields(target)]
    for name, value in spec.params:
        if name not in known or not isinstance(value, str):
            raise UserError(f"DDBENCH_TRACKERS: '{spec}': {spec.name} takes {', '.join(known)}, each a text")
    tracker: Tracker = target(**spec.mapping())
    return tracker


class Sending:
    """The trackers of one run at work. One that fails is asked no more; the others go on."""

    def __init__(self, to: Mapping[str, Tracker]) -> None:
        self._to = dict(to)
        self._troubles: list[str] = []
        self._waiting: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        self._sent = 0
        self._thread = threading.Thread(target=self._work, name="ddbench-trackers", daemon=True)
        self._thread.start()

    def put(self, result: Mapping[str, Any]) -> None:
        """Take a result file to be sent; returns at once."""
        self._waiting.put(result)

    def close(self) -> None:
        """Wait until all is sent, or nothing has been for too long.

        Raises:
            RuntimeError: something was not sent.
        """
        self._waiting.put(None)
        before = -1
        while self._thread.is_alive() and self._sent > before:
            before = self._sent
            self._thread.join(PATIENCE)
        if self._thread.is_alive():
            self._troubles.append(f"a tracker did not answer within {PATIENCE:.0f} s: not all trials were sent")
        if self._troubles:
            raise RuntimeError("; ".join(self._troubles))

    def _work(self) -> None:
        while (result := self._waiting.get()) is not None:
            self._send(result)
            self._sent += 1

    def _send(self, result: Mapping[str, Any]) -> None:
        for name, tracker in list(self._to.items()):
            try:
                tracker.send(trial_of(result))
            except BaseException as error:  # noqa: BLE001 - whatever a library raises in its thread is told at the end
                del self._to[name]
                told = " ".join(str(error).split())
                self._troubles.append(f"{name} failed and was asked no more: {type(error).__name__}: {told}")
