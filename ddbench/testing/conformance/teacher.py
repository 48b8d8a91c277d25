"""Promises of teachers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from ddbench.testing.bench import Bench
from ddbench.testing.conformance.conduct import accept, call, equal, require_progress, untouched
from ddbench.testing.conformance.declaration import check_component
from ddbench.testing.conformance.promises import promise, promised

if TYPE_CHECKING:
    from ddbench.protocols import Teacher


def check_teacher(component: Teacher, bench: Bench | None = None) -> None:
    """Check that a teacher's weights fit the architecture it was handed, and that the same seed gives the same ones."""
    check_component(component)
    bench = bench or Bench()
    with promise("names its architecture"):
        promised(component, isinstance(component.architecture, str), "names no architecture")
    accept(component, bench)
    with untouched(component, bench), promise("returns a torch module", vital=True):
        model, again = (call(component.squeeze, bench.squeeze_task()) for _ in range(2))
        promised(component, isinstance(model, nn.Module), "returns something that is no torch module")
    with promise("has finite weights"):
        finite = all(bool(value.isfinite().all()) for value in model.state_dict().values())
        promised(component, finite, "has weights that are not finite")
    with promise("gives the same weights for the same seed"):
        promised(component, equal(model.state_dict(), again.state_dict()), "gives other weights for the same seed")
    with promise("has weights that fit the architecture it was handed"):
        promised(component, _fits(model, bench.build(1)), "has weights that do not fit the architecture it was handed")
    require_progress(component, bench)


def _fits(model: nn.Module, fresh: nn.Module) -> bool:
    try:
        fresh.load_state_dict(model.state_dict())
    except RuntimeError:
        return False
    return True
