"""Forms of the results table."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_reporters() -> dict[str, str | type]:
    """Hand over the reporters."""
    return {
        "rich": "ddbench_reporters.terminal:Terminal",
        "markdown": "ddbench_reporters.markdown:Markdown",
        "latex": "ddbench_reporters.latex:Latex",
        "csv": "ddbench_reporters.csv:Csv",
        "html": "ddbench_reporters.html:Html",
        "figure": "ddbench_reporters.figure:Figure",
    }
