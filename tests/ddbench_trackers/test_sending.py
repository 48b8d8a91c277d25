"""Trackers are off unless asked for, never fail a run, and never keep it waiting for long."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import ddbench_trackers
from ddbench import UserError
from ddbench.testing import story
from ddbench.testing.conformance import check_listener, check_plugin
from ddbench_trackers import ddbench_event, sending
from ddbench_trackers.sending import Sending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ddbench_trackers.trial import Trial


class Recording:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self.threads: set[int] = set()

    def send(self, trial: Trial) -> None:
        self.trials.append(trial)
        self.threads.add(threading.get_ident())


class Failing:
    """Raises at the second trial."""

    def __init__(self) -> None:
        self.asked = 0

    def send(self, trial: Trial) -> None:
        self.asked += 1
        if self.asked == 2:
            raise ConnectionError("no\nroute")


class Hanging:
    """Never comes back."""

    def __init__(self, until: threading.Event) -> None:
        self.until = until

    def send(self, trial: Trial) -> None:
        self.until.wait(60)


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_the_plugin_keeps_the_promises_of_a_plugin_and_of_a_listener() -> None:
    check_plugin(ddbench_trackers.__name__)
    check_listener(ddbench_event)


def test_nothing_is_sent_unless_a_tracker_is_chosen(track: Callable[[str], None], tmp_path: Path) -> None:
    track("")

    assert not list(tmp_path.iterdir())
    assert not sending._sendings


def test_every_trial_is_sent_once_from_a_thread_of_its_own() -> None:
    tracker = Recording()
    work = Sending({"recording": tracker})

    for document in story.documents():
        work.put(document)
    work.close()

    assert [trial.config["key"] for trial in tracker.trials] == [each["key"] for each in story.documents()]
    assert threading.get_ident() not in tracker.threads


def test_a_tracker_that_fails_is_asked_no_more_and_told_in_the_end_while_others_go_on() -> None:
    failing, recording = Failing(), Recording()
    work = Sending({"failing[x=1]": failing, "recording": recording})

    for document in story.documents():
        work.put(document)
    with pytest.raises(RuntimeError, match=r"^failing\[x=1\] failed and was asked no more: ConnectionError: no route$"):
        work.close()

    assert failing.asked == 2
    assert len(recording.trials) == len(story.documents())


def test_a_tracker_that_hangs_keeps_nobody_waiting_for_long(
    released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "PATIENCE", 0.2)
    work = Sending({"hanging": Hanging(released)})

    start = time.monotonic()
    work.put(story.documents()[0])
    assert time.monotonic() - start < 0.1
    with pytest.raises(RuntimeError, match="did not answer within 0 s: not all trials were sent"):
        work.close()


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("tensorbord", "there is no tracker 'tensorbord'; did you mean 'tensorboard'?"),
        ("wandb", "'wandb' is not installed: pip install wandb"),
        ("tensorboard[folder=3]", r"'tensorboard\[folder=3\]': tensorboard takes folder, each a text"),
        ("tensorboard[path=x]", r"'tensorboard\[path=x\]': tensorboard takes folder, each a text"),
        ("tensorboard[", "cannot read 'tensorboard\\[': brackets or quotes do not match"),
    ],
)
def test_a_choice_that_cannot_be_is_told_when_the_run_starts(
    track: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, chosen: str, message: str
) -> None:
    monkeypatch.setattr(sending, "find_spec", lambda name: None if name == "wandb" else object())

    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        track(chosen)

    assert not sending._sendings


def test_a_run_with_a_tracker_that_is_not_there_ends_as_without_it(
    toys: list[str], ddbench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDBENCH_TRACKERS", "tensorbord")

    ended = ddbench("run", *toys, "--executor", "serial", "--quiet", "--json")

    assert ended.returncode == 0
    assert '"status": "done"' in ended.stdout
    assert "listener 'trackers' failed and is left out: DDBENCH_TRACKERS: there is no tracker" in ended.stderr
