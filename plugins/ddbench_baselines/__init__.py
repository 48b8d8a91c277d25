"""Baselines: real images, without which no table of distilled ones can be read."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_synthesizers() -> dict[str, str | type]:
    """Offer ``random``."""
    return {"random": "ddbench_baselines.real:Random"}
