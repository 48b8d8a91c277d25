"""What stands between two sides of a cell and their comparison; the first obstacle found is the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddbench.regression.differences import differences
from ddbench.regression.trials import MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ddbench.regression.trials import Trials
    from ddbench.regression.verdicts import Verdict

    Obstacle = tuple[Verdict, str]

_COSTS = ("_seconds", "peak_memory_bytes")  # say nothing without the machine


def applies(base: Trials, head: Trials, column: str) -> bool:
    """Tell whether a column has anything to say of a cell: who prepares nothing has no time of preparing."""
    return column in MEASURES or any(side.numbers(column) for side in (base, head))


def obstacle(base: Trials, head: Trials, column: str) -> Obstacle | None:
    """Return why a column of a cell cannot be compared, or None."""
    return (
        _absent(base, head)
        or _in_trouble(base, head)
        or _failed(base, head)
        or _made_otherwise(base, head)
        or _elsewhere(base, head, column)
        or _without_numbers(base, head, column)
    )


def aside(base: Trials, head: Trials) -> tuple[str, ...]:
    """Return what to know of a cell whatever comes of it: the method's own settings that differ, and changed code."""
    if base.trouble or head.trouble or base.settings is None or head.settings is None:
        return ()
    _, method = differences(base.settings, head.settings)
    before, after = base.sources, head.sources
    changed = sorted(package for package in before.keys() & after.keys() if before[package] != after[package])
    return (*method, *([f"code changed: {', '.join(changed)}"] if changed else []))


def _absent(base: Trials, head: Trials) -> Obstacle | None:
    if base and not head:
        return "missing", "not in HEAD"
    if base or not head:
        return None
    return ("new", "not in BASELINE") if head.done else ("missing", f"failed: {_first(head.failed.values())}")


def _in_trouble(base: Trials, head: Trials) -> Obstacle | None:
    troubles = [f"{name}: {side.trouble}" for name, side in (("BASELINE", base), ("HEAD", head)) if side.trouble]
    return ("incomparable", "; ".join(troubles)) if troubles else None


def _failed(base: Trials, head: Trials) -> Obstacle | None:
    lost = [error for seeds, error in head.failed.items() if seeds in base.done or not head.done]
    if lost:
        return "missing", f"{len(lost)} of {len(head.done) + len(head.failed)} trials failed: {_first(lost)}"
    return None if base.done else ("new", f"failed in BASELINE: {_first(base.failed.values())}")


def _made_otherwise(base: Trials, head: Trials) -> Obstacle | None:
    before, after = base.settings, head.settings
    if before is None or after is None:
        return None if _same_keys(base, head) else ("incomparable", "settings unknown")
    exam, _ = differences(before, after)
    return ("incomparable", ", ".join(exam)) if exam else None


def _elsewhere(base: Trials, head: Trials, column: str) -> Obstacle | None:
    if not column.endswith(_COSTS) or base.machines == head.machines:
        return None
    return "incomparable", f"computed on {', '.join(base.machines)} -> {', '.join(head.machines)}"


def _same_keys(base: Trials, head: Trials) -> bool:
    """Tell whether the sides hold the very same trials, whatever these were made with."""
    common = base.done.keys() & head.done.keys()
    return bool(common) and all(base.done[seeds]["key"] == head.done[seeds]["key"] for seeds in common)


def _without_numbers(base: Trials, head: Trials, column: str) -> Obstacle | None:
    before, after = base.numbers(column), head.numbers(column)
    if not before and after:
        return "new", f"BASELINE has no number of {column}"
    lost = [seeds for seeds in head.done if seeds not in after and (seeds in before or not after)]
    return ("missing", f"no number of {column} in {len(lost)} of {len(head.done)} trials") if lost else None


def _first(texts: Iterable[str]) -> str:
    return next(iter(texts))
