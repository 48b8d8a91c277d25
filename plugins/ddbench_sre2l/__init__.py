"""SRe2L: squeeze, recover and relabel; the synthesizer is its recover step."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_synthesizers() -> dict[str, str | type]:
    """Offer ``sre2l``."""
    return {"sre2l": "ddbench_sre2l.synthesizer:SRe2L"}
