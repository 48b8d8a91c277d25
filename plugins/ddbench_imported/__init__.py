"""Distilled sets that others have made: their images, and the soft labels that came with them."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_synthesizers() -> dict[str, str | type]:
    """Offer ``images``."""
    return {"images": "ddbench_imported.synthesizer:Images"}


@hookimpl
def ddbench_labelers() -> dict[str, str | type]:
    """Offer ``own``."""
    return {"own": "ddbench_imported.labeler:Own"}
