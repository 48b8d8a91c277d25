"""Weights & Biases: what its library is asked, and what it writes where it is installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ddbench.testing import story
from ddbench_trackers.trial import trial_of
from ddbench_trackers.wandb import WandB

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRIALS = [trial_of(document) for document in story.documents()]


class Run:
    """What ``wandb.init`` returns, as far as it is used; it keeps what it is told."""

    def __init__(self, **settings: Any) -> None:
        self.settings, self.summary, self.ended = settings, dict[str, float](), -1
        self.logged: list[tuple[int, dict[str, float]]] = []

    def log(self, data: dict[str, float], step: int) -> None:
        self.logged.append((step, data))

    def finish(self, exit_code: int) -> None:
        self.ended = exit_code


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """Stand in for the library; returns the runs that are started."""
    started: list[Run] = []
    library: Any = ModuleType("wandb")
    library.Settings = SimpleNamespace
    library.init = lambda **settings: started.append(Run(**settings)) or started[-1]  # type: ignore[func-returns-value]  # the last one is
    monkeypatch.setitem(sys.modules, "wandb", library)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return started


def test_a_trial_is_one_run_in_the_group_of_its_cell_and_stays_on_this_machine(runs: list[Run], tmp_path: Path) -> None:
    trial = TRIALS[0]

    WandB(project="mine", folder=str(tmp_path)).send(trial)

    (run,) = runs
    asked = {name: run.settings[name] for name in ("project", "group", "name", "id", "config", "tags", "mode", "dir")}
    assert asked == {
        "project": "mine",
        "group": trial.group,
        "name": trial.name,
        "id": trial.identifier,
        "config": dict(trial.config),
        "tags": list(trial.tags),
        "mode": "offline",
        "dir": str(tmp_path),
    }
    assert run.logged == [
        (epoch, {"curve/loss": loss, "curve/top1": top1})
        for (epoch, loss), (_, top1) in zip(trial.curves["loss"], trial.curves["top1"], strict=True)
    ]
    assert run.summary == trial.numbers
    assert run.ended == 0


def test_the_mode_that_the_user_chose_is_kept(runs: list[Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")

    WandB(folder=str(tmp_path)).send(TRIALS[0])

    assert runs[0].settings["mode"] == "disabled"


def test_a_failed_trial_is_a_failed_run(runs: list[Run], tmp_path: Path) -> None:
    WandB(folder=str(tmp_path)).send(TRIALS[-1])

    assert (runs[0].ended, runs[0].settings["notes"]) == (1, story.FAILURE)


def test_a_trial_that_was_sent_is_not_sent_again(runs: list[Run], tmp_path: Path) -> None:
    (tmp_path / "wandb" / f"offline-run-20260101_000000-{TRIALS[0].identifier}").mkdir(parents=True)

    WandB(folder=str(tmp_path)).send(TRIALS[0])

    assert not runs


@pytest.mark.skipif(find_spec("wandb") is None, reason="Weights & Biases is not installed")
@pytest.mark.filterwarnings("ignore")
def test_the_library_writes_a_run_for_each_trial_without_a_network(
    track: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)

    track("wandb")
    track("wandb")

    runs = sorted(path.name.rpartition("-")[2] for path in (tmp_path / "wandb").glob("offline-run-*"))
    assert runs == sorted(trial.identifier for trial in TRIALS)
