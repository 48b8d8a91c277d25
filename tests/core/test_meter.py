from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ddbench.meter import device_name, is_shortage, metered

MEGABYTE = 2**20
CPU = torch.device("cpu")

forgets = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="this system keeps the highest mark")


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def occupy(megabytes: int) -> None:
    """Hold memory that is really written to, for a moment."""
    np.ones(megabytes * MEGABYTE, dtype=np.uint8)


@forgets
def test_memory_held_in_the_block_counts_though_it_is_given_back() -> None:
    before = resident()
    with metered(CPU) as cost:
        occupy(200)
        peak = cost().peak_memory_bytes
    assert 190 * MEGABYTE < peak - before < 260 * MEGABYTE


@forgets
def test_memory_given_back_before_the_block_does_not_count() -> None:
    occupy(400)
    before = resident()
    with metered(CPU) as cost:
        occupy(20)
        peak = cost().peak_memory_bytes
    assert peak - before < 100 * MEGABYTE


def test_seconds_are_those_of_the_block_so_far() -> None:
    with metered(CPU) as cost:
        time.sleep(0.05)
        first = cost()
        time.sleep(0.05)
    second = cost()
    assert 0.05 <= first.seconds < second.seconds
    assert second.seconds >= 0.1
    assert first.device == "cpu"


def test_a_block_that_raises_raises() -> None:
    with pytest.raises(RuntimeError, match="inside"), metered(CPU):
        raise RuntimeError("inside")


def test_the_processor_is_called_cpu() -> None:
    assert device_name(CPU) == "cpu"


def test_on_cuda_seconds_are_those_until_the_device_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    device, started = torch.device("cuda:1"), list[torch.device]()

    def wait(place: torch.device) -> None:
        time.sleep(0.2)
        started.append(place)

    def forget(place: torch.device) -> None:
        assert started == [place], "a device that has not started refuses"

    monkeypatch.setattr(torch.cuda, "synchronize", wait)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", forget)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda place: 7 * place.index)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda place: f"GPU {place.index}")
    with metered(device) as cost:
        found = cost()
    assert 0.2 <= found.seconds < 0.4  # what was asked before is not in it
    assert (found.peak_memory_bytes, found.device) == (7, "GPU 1")
    assert found.host_peak_bytes


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (ValueError("a plugin of its own: out of memory"), False),
    ],
    ids=str,
)
def test_a_shortage_is_known_whichever_library_says_so(error: Exception, *, short: bool) -> None:
    assert is_shortage(error) is short


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_the_peak_is_the_device_s_own() -> None:
    device = torch.device("cuda")
    torch.empty(400 * MEGABYTE, dtype=torch.uint8, device=device)
    with metered(device) as cost:
        torch.empty(200 * MEGABYTE, dtype=torch.uint8, device=device)
        found = cost()
    assert 200 * MEGABYTE <= found.peak_memory_bytes < 300 * MEGABYTE
    assert found.device == torch.cuda.get_device_name(device)
