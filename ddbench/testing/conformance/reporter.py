"""Promises of reporters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddbench.spec import Spec
from ddbench.testing import story
from ddbench.testing.conformance.declaration import check_component
from ddbench.testing.conformance.promises import promise, promised
from ddbench.types import RenderTask

if TYPE_CHECKING:
    import pandas as pd

    from ddbench.protocols import Reporter

WIDE, NARROW = 200, 40


def check_reporter(component: Reporter) -> None:
    """Check that a reporter renders results of the toys as text, every method in it, and the same again."""
    check_component(component, cited=False)
    frame = story.frame()
    with promise("returns text, the same for the same results", vital=True):
        text = _rendered(component, frame, WIDE)
        promised(component, isinstance(text, str) and bool(text.strip()), "returns no text")
        promised(component, _rendered(component, frame, WIDE) == text, "returns another text for the same frame")
    with promise("leaves the results as they were"):
        promised(component, frame.equals(story.frame()), "changes the frame it was handed")
    with promise("shows every method"):
        for spec in frame["synthesizer"].unique():
            name = Spec.parse(spec).name  # parameters may stand elsewhere, or escaped
            promised(component, name in text, f"shows nothing of '{name}'")
    with promise("copes with a narrow terminal, and where nothing is done"):
        _rendered(component, frame, NARROW)
        failed = frame[frame["status"] == "failed"]
        promised(component, isinstance(_rendered(component, failed, WIDE), str), "returns no text where all failed")


def _rendered(component: Reporter, frame: pd.DataFrame, width: int) -> str:
    return component.render(RenderTask(frame, width, documents=tuple(story.documents())))
