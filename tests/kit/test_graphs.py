"""Functions replayed as CUDA graphs; where there is none, they are the functions themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from ddbench.kit import graphs
from ddbench.types import Compute

if TYPE_CHECKING:
    from collections.abc import Callable

on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def compute(device: str, notes: list[str]) -> Compute:
    return Compute(torch.device(device), "float32", 0, lambda *_, **__: None, note=notes.append)


def network(*more: nn.Module) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), *more, nn.Flatten(), nn.Linear(144, 5))


def images(count: int = 6, device: str = "cpu") -> Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(count)).to(device)


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let captures give the function itself, as if it had been captured; remember the sizes of their batches."""
    sizes: list[int] = []

    def capture(part: graphs._Part, samples: tuple[Tensor], **_: bool) -> Callable[[Tensor], Tensor]:
        sizes.append(len(samples[0]))
        for _round in range(3):
            part(*samples)  # warming up moves statistics

        def replay(batch: Tensor) -> Tensor:
            with graphs._unheard([part.network]):  # no Python runs in a replay
                return part(batch)  # type: ignore[no-any-return]  # a module gives anything

        return replay

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", capture)
    return sizes


def test_what_is_not_on_cuda_is_seldom_asked_or_short_of_memory_is_not_replayed() -> None:
    model, work = network(), compute("cuda", [])

    def asked(where: Compute, calls: int) -> object:
        return graphs.replayed(model, model, where, calls)

    assert asked(compute("cpu", []), 1000) is model
    assert asked(work, 3) is model
    assert asked(replace(work, parts=2), 1000) is model
    assert isinstance(asked(work, 1000), graphs.Replayed)


def test_a_capture_leaves_statistics_as_they_were_and_each_shape_is_captured_once(faked: list[int]) -> None:
    model, plain, notes = network().train(), network().train(), list[str]()
    replayed = graphs.Replayed(model, model, compute("cpu", notes), ())
    for count in (6, 6, 4, 6, 5):
        torch.testing.assert_close(replayed(images(count)), plain(images(count)))
    assert (faked, notes) == ([6, 4], [])  # a third shape is computed plainly
    for mine, theirs in zip(model.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_weights_get_their_slopes_through_a_replay(faked: list[int]) -> None:
    model = network().train()
    torch.autograd.backward(graphs.Replayed(model, model, compute("cpu", []), ())(images()).sum())
    assert faked == [6]
    assert all(weight.grad is not None for weight in model.parameters())


def test_passes_are_counted_once_a_call_though_a_capture_makes_several(faked: list[int]) -> None:
    model, seen = network().eval(), list[int]()
    model.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))

    def function(batch: Tensor) -> Tensor:
        return model(batch).sum()  # type: ignore[no-any-return]  # a module gives anything

    replayed = graphs.Replayed(function, model, compute("cpu", []), (model,))
    source = images().requires_grad_()
    for _ in range(3):
        torch.autograd.backward(replayed(source))
    assert (faked, seen) == ([6], [6, 6, 6])


def test_a_network_that_draws_numbers_is_computed_plainly_and_that_is_said(faked: list[int]) -> None:
    notes: list[str] = []
    model = network(nn.Dropout(0.5)).train()
    replayed = graphs.Replayed(model, model, compute("cpu", notes), ())
    assert replayed(images()).shape == (6, 5)
    assert notes == [
        "no CUDA graph (a replay differs from a plain call): kernels are launched one by one, which is slower"
    ]


def test_a_capture_that_fails_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuse)
    notes: list[str] = []
    model = network().train()
    replayed = graphs.Replayed(model, model, compute("cpu", notes), ())
    assert replayed(images()).shape == (6, 5)
    assert len(notes) == 1
    assert notes[0].startswith("no CUDA graph (operation not permitted when stream is capturing): kernels are launched")


@pytest.mark.gpu
@on_cuda
def test_on_cuda_a_replay_trains_as_plain_calls_do() -> None:
    weights = []
    for calls in (1, 1000):
        notes: list[str] = []
        model = network().cuda().train()
        function = graphs.replayed(model, model, compute("cuda", notes), calls)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=True)
        for step in range(8):
            optimizer.zero_grad()
            torch.autograd.backward(function(images(6 if step % 4 else 5, "cuda")).square().mean())
            optimizer.step()
        assert notes == []
        weights.append([value.detach().cpu() for value in model.state_dict().values()])
    for plain, replayed in zip(*weights, strict=True):
        torch.testing.assert_close(replayed, plain, rtol=1e-4, atol=1e-5)
