"""The kinds of charts, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ddbench_reporters.charts import cost, curves, heatmap, ipc_curve

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddbench_reporters.charts.panel import Chart
    from ddbench_reporters.charts.scene import Scene

Kind = Literal["heatmap", "ipc-curve", "cost", "label-bytes", "curves"]

CHARTS: dict[Kind, tuple[Callable[[Scene], Chart], str]] = {
    "heatmap": (heatmap.heatmap, heatmap.EMPTY),
    "ipc-curve": (ipc_curve.ipc_curve, ipc_curve.EMPTY),
    "cost": (cost.cost, cost.EMPTY),
    "label-bytes": (cost.label_bytes, cost.NO_LABELS),
    "curves": (curves.curves, curves.EMPTY),
}
"""What makes a chart, and what to say where there is nothing to draw."""
