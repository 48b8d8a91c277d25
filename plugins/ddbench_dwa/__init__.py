"""DWA: diversity by directed weight adjustment of the teacher."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_synthesizers() -> dict[str, str | type]:
    """Offer ``dwa``."""
    return {"dwa": "ddbench_dwa.synthesizer:DWA"}
