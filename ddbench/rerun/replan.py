"""A plan of the very same trial again, from what its result file records."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, get_args

from ddbench.errors import UserError
from ddbench.plan import plan as make_plan
from ddbench.registry import registry
from ddbench.rerun.recorded import benchmark_of, shipped, unnamed
from ddbench.spec import Spec
from ddbench.types import Cell, StageKind, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ddbench.plan import Plan
    from ddbench.types import Place

_MOST = 3  # differences in one line


def plan_again(found: Mapping[str, Any], place: Place, given: Mapping[str, Spec]) -> Plan:
    """Plan the trial of a result file again, whatever recipes and defaults have become since.

    Args:
        found: the document.
        place: where data sets lie.
        given: components named again, by option: ``dataset`` and those of ``OPTIONS``.

    Raises:
        UserError: a component is not installed, or wants a path that the file does not hold; or the key is another
            one here: says what differs.
    """
    for pinned in (False, True):  # what an identity leaves out is idle, or neutral: the class's default says it
        plan = _plan(found, given, place, pinned=pinned)
        if plan.trials[0].evaluate == found["key"]:
            return _called_as(found, plan)
    apart = list(differences(found, plan))
    more = f" and {len(apart) - _MOST} more" if len(apart) > _MOST else ""
    raise UserError(
        f"the key is another one here: {'; '.join(apart[:_MOST])}{more}; install what made the result{_makers(found)}, "
        "or name the data and components that it was made from"
    )


def _called_as(found: Mapping[str, Any], plan: Plan) -> Plan:
    """Let tables call the trial what the file calls it: parameters written out would be shown where defaults moved."""
    trial = dict(found["trial"])
    seeds = {name: trial.pop(name) for name in ("synthesis_seed", "evaluation_seed")}
    parts: dict[str, Any] = {name: value if name == "ipc" else Spec.parse(value) for name, value in trial.items()}
    [planned] = plan.trials
    return dataclasses.replace(plan, trials=(dataclasses.replace(planned, trial=Trial(Cell(**parts), **seeds)),))


def _plan(found: Mapping[str, Any], given: Mapping[str, Spec], place: Place, *, pinned: bool) -> Plan:
    benchmark = benchmark_of(found, given, pinned=pinned)
    try:
        return make_plan(benchmark, registry(), place)
    except UserError as error:
        again = " ".join(unnamed(found, given))
        raise UserError(f"{error}{f' (of what has moved, say where it is: {again})' if again else ''}") from None


def _makers(found: Mapping[str, Any]) -> str:
    names = dict.fromkeys(shipped(found).values())
    return f" ({', '.join(names)})" if names else ""


def differences(found: Mapping[str, Any], plan: Plan) -> Iterator[str]:
    """Yield what of the facts differs between a document and a plan of one trial, each once, the first cause first."""
    here = {str(stage.kind): stage.facts for stage in plan.stages.values() if stage.facts.get("index", 0) == 0}
    there = {kind: stage["facts"] for kind, stage in found["stages"].items()}
    order = get_args(StageKind)
    pairs = ((kind, there.get(kind, _MISSING), here.get(kind, _MISSING)) for kind in order)
    told = dict.fromkeys(line for kind, before, now in pairs for line in _apart("", before, now, kind))
    yield from told or ["stages are linked in another way"]


_MISSING = object()


def _apart(name: str, before: Any, now: Any, stage: str = "") -> Iterator[str]:
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for part in dict.fromkeys((*before, *now)):
            yield from _apart(f"{name}.{part}".lstrip("."), before.get(part, _MISSING), now.get(part, _MISSING))
    else:
        yield f"{name or f'stage {stage}'} {_shown(before)} -> {_shown(now)}"


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "absent"
    text = "there" if isinstance(value, dict) else str(value)
    return text if len(text) <= 20 else f"{text[:12]}..."
