"""Whether stages fit in the memory of a device, before any of them runs."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ddbench.bench import resolve_device
from ddbench.errors import UserError
from ddbench.estimate import estimator_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    import torch

    from ddbench.estimate import Memory
    from ddbench.plan import Plan
    from ddbench.types import Effort, Stage

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_SURELY_FITS = 4 * 2**20  # bytes of a batch, as float32: 300 images of 32 pixels, which ResNet-50 trains on in 9 GB


def capacity(device: torch.device) -> int | None:
    """Return the bytes of a device's memory: of a GPU, or of this machine as far as its container lets; else None."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return _host_memory() if device.type == "cpu" else None


def _host_memory() -> int | None:
    if not hasattr(os, "sysconf"):
        return None
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for limit in _LIMITS:
        with suppress(OSError, ValueError):  # no such control group, or "max"
            sizes.append(int(limit.read_text(encoding="ascii")))
    return min(sizes)


def require_room(plan: Plan, needs: Mapping[str, Memory], device: str) -> None:
    """Raise a UserError if a stage, by its key, will take more memory than the device has.

    Stages of which the like has run here are taken to fit.
    """
    place = resolve_device(device)
    there = capacity(place)
    for key, need in needs.items():
        if there is not None and need.grounds == "reckoned" and (need.least or 0) > there:
            raise UserError(_refusal(plan.stages[key], need, there, place))


def require_room_to_run(plan: Plan, keys: Iterable[str], metas: Iterable[Mapping[str, Any]], device: str) -> None:
    """Do the same for a run, given the metas of stages that have been computed.

    On the processor networks whose batches surely fit are not looked at: to import and build them takes seconds.

    Raises:
        UserError: a stage does not fit.
    """
    different = {
        (stage.kind, len(stage.inputs), *stage.specs.items()): stage for stage in (plan.stages[key] for key in keys)
    }
    if not different:
        return
    estimator = estimator_of(plan, metas, device)
    chosen = [
        stage
        for stage in different.values()
        if estimator.probe.device.type != "cpu" or _largest_batch(stage, estimator.effort(stage)) > _SURELY_FITS
    ]
    require_room(plan, {stage.key: estimator.memory(stage) for stage in chosen}, device)


def _largest_batch(stage: Stage, effort: Effort | None) -> int:
    """Return the bytes of the largest batch of images that a stage sends through a network."""
    data, passes = stage.facts["data"], effort.passes if effort else ()
    counts = [min(each.batch_size, each.images) for each in passes]
    return 4 * max(counts, default=0) * int(data["channels"]) * int(data["image_size"]) ** 2


def _refusal(stage: Stage, need: Memory, there: int, place: torch.device) -> str:
    takes, has = (f"{nbytes / 1e9:.1f} GB" for nbytes in (need.least or 0, there))
    second = "" if need.least == need.peak else ", a batch cut in two"
    return (
        f"{stage.kind} '{stage.label}' does not fit: it takes at least {takes} of memory (reckoned from its "
        f"networks{second}), {place} has {has}; lower a batch_size, or take a smaller architecture or another --device"
    )
