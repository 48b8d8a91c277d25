"""Random perturbation: what is left of DWA when the direction of its weight adjustment is drawn by lot."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_synthesizers() -> dict[str, str | type]:
    """Offer ``random-perturbation``."""
    return {"random-perturbation": "ddbench_random_perturbation.synthesizer:RandomPerturbation"}
