"""Event files, written and read back by TensorBoard itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ddbench.testing import story
from ddbench_trackers.trial import trial_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("tensorboard", reason="TensorBoard is an extra")
pytestmark = pytest.mark.filterwarnings("ignore")  # of its own libraries

TRIALS = [trial_of(document) for document in story.documents()]


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def test_each_trial_is_a_run_of_its_cell_with_curves_numbers_and_coordinates(
    track: Callable[[str], None], tmp_path: Path
) -> None:
    track("tensorboard[folder=boards]")

    runs = sorted((tmp_path / "boards").glob("*/*"))
    assert len(runs) == len(TRIALS)
    assert len({run.parent for run in runs}) == 4
    assert not [run for run in runs if run.name.startswith(".")]
    trial = TRIALS[0]
    board = read(next(run for run in runs if run.name.endswith(trial.identifier)))
    curve = [(point.step, point.value) for point in board.Scalars("curve/top1")]
    assert curve == [(epoch, pytest.approx(value)) for epoch, value in trial.curves["top1"]]
    for name, value in trial.numbers.items():
        assert board.Scalars(f"final/{name}")[-1].value == pytest.approx(value)
    assert "tags/text_summary" in board.Tags()["tensors"]
    hyperparameters = board.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"toy-teacher" in hyperparameters
    assert trial.config["key"].encode() in hyperparameters  # type: ignore[union-attr]  # a key is a text


def test_a_failed_trial_is_there_with_its_error(track: Callable[[str], None], tmp_path: Path) -> None:
    track("tensorboard")

    run = next((tmp_path / "runs").glob(f"*/*-{TRIALS[-1].identifier}"))
    assert "error/text_summary" in read(run).Tags()["tensors"]


def test_a_run_again_adds_nothing(track: Callable[[str], None], tmp_path: Path) -> None:
    track("tensorboard")
    before = sorted((tmp_path / "runs").rglob("*"))

    track("tensorboard")

    assert sorted((tmp_path / "runs").rglob("*")) == before
