"""CUDA graphs on a processor: what is captured is noted operation by operation, and replayed into the same memory."""

from __future__ import annotations

import gc
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from ddbench.kit import graphs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WAITING = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default)


class Graph:
    """Notes operations, without the Python around them, and does them again on the very same tensors."""

    def __init__(self) -> None:
        self.steps: list[tuple[Callable[..., Any], Sequence[Any], dict[str, Any], list[Any]]] = []

    def pool(self) -> tuple[int, int]:
        return (0, 0)

    @torch.no_grad()
    def replay(self) -> None:
        for operation, args, kwargs, results in self.steps:
            for result, again in zip(results, tree_leaves(operation(*args, **kwargs)), strict=True):
                if isinstance(result, torch.Tensor) and _address(result) != _address(again):
                    result.copy_(again)


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class Capture(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """In the place of ``torch.cuda.graph``: refuses what CUDA would refuse, or what would read freed memory later."""

    sizes: list[int]  # operations of each capture

    def __init__(self, graph: Graph, pool: object = None, stream: object = None, capture_error_mode: str = "") -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        del pool, stream
        assert capture_error_mode == "thread_local", "other threads read images meanwhile"
        self.graph = graph

    def __enter__(self) -> Any:
        if torch.is_autocast_enabled("cpu") or torch.is_autocast_cache_enabled():
            raise RuntimeError("autocast keeps copies of weights that a graph would read when they are gone")
        assert not gc.isenabled(), "the collector may end another graph"
        return super().__enter__()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.sizes.append(len(self.graph.steps))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func in _WAITING:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        result = func(*args, **(kwargs or {}))
        noted = tree_map_only(torch.Tensor, torch.Tensor.detach, (args, kwargs or {}, tree_leaves(result)))
        self.graph.steps.append((func, *noted))  # memory alone, of which autograd knows nothing
        return result


class Stream:
    def __init__(self, device: object = None) -> None:
        self.device = device

    def wait_stream(self, other: Stream) -> None:
        assert isinstance(other, Stream)


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the processor capture and replay; returns a list that tells of captures, by how many operations each has."""
    sizes: list[int] = []
    monkeypatch.setattr(Capture, "sizes", sizes, raising=False)
    monkeypatch.setattr(graphs, "_DEVICES", ("cpu",))
    for name, instead in {
        "CUDAGraph": Graph,
        "graph": Capture,
        "Stream": Stream,
        "stream": lambda _: nullcontext(),
        "current_stream": Stream,
    }.items():
        monkeypatch.setattr(torch.cuda, name, instead)
    return sizes


@pytest.fixture(
    params=[
        "cpu",
        pytest.param(
            "cuda",
            marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
        ),
    ]
)
def replaying(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Return a device that replays: the processor as above, and CUDA itself, told to give the same bits each time."""
    if request.param == "cpu":
        request.getfixturevalue("emulated")
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    return torch.device(request.param)
