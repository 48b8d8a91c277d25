"""Metrics beyond top-1: against references, across architectures, at equal bytes, and what the exam measured beside."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_metrics() -> dict[str, str | type]:
    """Return the built-in metrics."""
    return {
        "ior": "ddbench_metrics.label_robust:IOR",
        "hlr": "ddbench_metrics.label_robust:HLR",
        "lrs": "ddbench_metrics.label_robust:LRS",
        "ars": "ddbench_metrics.augmentation_robust:ARS",
        "gap": "ddbench_metrics.gap:Gap",
        "equal-bytes": "ddbench_metrics.equal_bytes:EqualBytes",
        "calibration-error": "ddbench_metrics.measured:CalibrationError",
        "nll": "ddbench_metrics.measured:NLL",
        "corruption-accuracy": "ddbench_metrics.measured:CorruptionAccuracy",
    }
