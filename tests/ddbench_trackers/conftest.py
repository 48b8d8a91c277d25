"""Trackers chosen as a user would, and the events of a run that was never made."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ddbench.testing import story
from ddbench_trackers import ddbench_event

if TYPE_CHECKING:
    from pathlib import Path

Track = Callable[[str], None]


@pytest.fixture
def track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Track:
    """Return a function that chooses trackers and lets them hear a whole run, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def hear(chosen: str) -> None:
        monkeypatch.setenv("DDBENCH_TRACKERS", chosen)
        for event in story.events():
            ddbench_event(event)

    return hear
