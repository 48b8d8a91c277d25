"""Promises of diagnostics."""

from __future__ import annotations

import io
import math
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ddbench.testing.bench import Bench
from ddbench.testing.conformance.conduct import accept, call, require_honest_teacher_use, untouched
from ddbench.testing.conformance.declaration import check_component
from ddbench.testing.conformance.promises import promise, promised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddbench.protocols import Diagnostic

VERBS = ("measure", "draw", "compare")


def check_diagnostic(component: Diagnostic, bench: Bench | None = None) -> None:
    """Check that measures are numbers that repeat, and that figures are figures, the same to the last byte.

    Figures are left out where matplotlib is not installed.
    """
    check_component(component, "uses_teacher")
    verbs = [name for name in VERBS if hasattr(component, name)]
    with promise("measures or draws", vital=True):
        promised(component, bool({"measure", "draw"} & set(verbs)), "neither measures nor draws")
    bench, draws = bench or Bench(), find_spec("matplotlib") is not None
    accept(component, bench)
    distilled = bench.distilled()
    with untouched(component, bench, distilled.images, distilled.labels):
        measures = _check_measures(component, bench) if "measure" in verbs else {}
        if "draw" in verbs and draws:
            with promise("draws a figure, the same to the last byte when asked again"):
                drawn = _check_figure(component, "draw", bench.diagnostic_task(distilled))
                promised(component, drawn, "draws nothing")
        if "compare" in verbs and draws:
            with promise("draws what it measured, the same to the last byte when asked again"):
                promised(component, bool(measures), "compares what it does not measure")
                _check_figure(component, "compare", bench.comparison_task(measures))
    if "measure" in verbs or draws:
        require_honest_teacher_use(component, bench)


def _check_measures(component: Any, bench: Bench) -> Mapping[str, float]:
    distilled = bench.distilled()
    with promise("measures numbers by name", vital=True):
        first, again = (dict(call(component.measure, bench.diagnostic_task(distilled))) for _ in range(2))
        promised(component, bool(first), "measures nothing: a diagnostic that only draws has no 'measure'")
        _check_numbers(component, bench, first)
    with promise("measures the same when asked again"):
        promised(component, repr(first) == repr(again), "measures something else when asked again")
    return first


def _check_numbers(component: Any, bench: Bench, measures: Mapping[str, float]) -> None:
    for name, value in measures.items():
        measure, slash, label = name.partition("/")
        promised(component, bool(measure), f"has a measure without a name: '{name}'")
        promised(component, not slash or label in bench.data.class_names, f"measures '{name}', of a class nobody has")
        number = isinstance(value, float) and not math.isinf(value)
        promised(component, number, f"measures {name}={value!r}, which is neither a finite float nor NaN")


def _check_figure(component: Any, verb: str, task: Any) -> bool:
    """Check that a verb draws the same when asked again; tells whether it draws at all."""
    first, again = _drawn(component, verb, task), _drawn(component, verb, task)
    promised(component, first == again, f"gives another figure when asked to {verb} again")
    return first is not None


def _drawn(component: Any, verb: str, task: Any) -> bytes | None:
    """Return a figure as the bytes of a picture, None where there is none."""
    from matplotlib.figure import Figure

    before = "matplotlib.pyplot" in sys.modules
    figure = call(getattr(component, verb), task)
    promised(component, before or "matplotlib.pyplot" not in sys.modules, "imports pyplot, whose figures are global")
    if figure is None:
        return None
    promised(component, isinstance(figure, Figure), f"gives something else than a figure when asked to {verb}")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
