"""Measures what a stage costs, and tells when memory was too short for it."""

from __future__ import annotations

import gc
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ddbench.types import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_SHORT = ("out of memory", "ALLOC_FAILED")  # of CUDA and MPS; of cuBLAS and cuDNN


@contextmanager
def metered(device: torch.device) -> Iterator[Callable[[], Cost]]:
    """Measure a block; the function that it yields returns the cost so far.

    Peak memory is the device's own on CUDA, and beside it the process's; elsewhere it is the process's alone: what
    was resident at its highest during the block. Seconds on CUDA are those until it has done what it was asked.
    """
    _wait(device)
    start = time.perf_counter()
    _forget_peak(device)
    yield lambda: _cost(start, device)


def is_shortage(error: Exception) -> bool:
    """Tell whether an error says that a device's memory is too small: torch's own, or that of a library below it."""
    import torch

    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SHORT)


def free_memory() -> None:
    """Give back what a failed attempt left behind: tensors in cycles, and what CUDA's allocator keeps for later."""
    import torch

    gc.collect()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.cuda.empty_cache()


def device_name(device: torch.device) -> str:
    """Return what a table calls the device: ``cpu``, or the name of the GPU."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _cost(start: float, device: torch.device) -> Cost:
    _wait(device)
    seconds = time.perf_counter() - start
    if device.type != "cuda":
        return Cost(seconds, _host_peak(), device_name(device))
    return Cost(seconds, _device_peak(device), device_name(device), host_peak_bytes=_host_peak())


def _wait(device: torch.device) -> None:
    """Let CUDA start, without which it tells of no memory, and do what it was asked."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forget_peak(device: torch.device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    if _CLEAR.exists():
        with suppress(OSError):  # a hardened container may refuse; the peak is then that of the process so far
            _CLEAR.write_text("5", encoding="ascii")  # Linux: set the high-water mark back to what is resident now


def _device_peak(device: torch.device) -> int:
    import torch

    return torch.cuda.max_memory_allocated(device)


def _host_peak() -> int:
    if _STATUS.exists():
        return _status("VmHWM")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident() -> int:
    """Return the bytes of memory that this process takes now; where the system does not say, 0."""
    return _status("VmRSS") if _STATUS.exists() else 0


def _status(name: str) -> int:
    mark = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(name))
    return int(mark.split()[1]) * 1024
