"""Exams: how a student is trained on a distilled set, and tested."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_evaluators() -> dict[str, str | type]:
    """Return the built-in evaluators."""
    return {"standard": "ddbench_evaluators.standard:Standard"}
