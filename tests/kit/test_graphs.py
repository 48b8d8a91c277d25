"""Functions replayed as CUDA graphs; where there is none, they are the functions themselves."""

from __future__ import annotations

import copy
import gc
import itertools
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge

from ddbench.kit import device, graphs
from ddbench.types import Compute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddbench.types import Precision


def compute(where: str | torch.device, notes: list[str], precision: Precision = "float32") -> Compute:
    return Compute(torch.device(where), precision, 0, lambda *_, **__: None, note=notes.append)


def network(*more: nn.Module) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), *more, nn.Flatten(), nn.Linear(144, 5))


def images(count: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(100 * seed + count))


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_what_is_not_on_cuda_is_seldom_asked_or_short_of_memory_is_not_replayed() -> None:
    model, work = network(), compute("cuda", [])

    def asked(where: Compute, calls: int) -> object:
        return graphs.replayed(model, model, where, calls)

    assert asked(compute("cpu", []), 1000) is model
    assert asked(work, 3) is model
    assert asked(replace(work, parts=2), 1000) is model
    assert isinstance(asked(work, 1000), graphs.Replayed)


def test_a_capture_leaves_statistics_as_they_were_and_each_shape_is_captured_once(emulated: list[int]) -> None:
    model, plain, notes = network().train(), network().train(), list[str]()
    replayed = graphs.Replayed(model, model, compute("cpu", notes), ())
    for seed, count in enumerate((6, 6, 4, 6, 5)):
        assert torch.equal(replayed(images(count, seed)), plain(images(count, seed)))
    assert (len(emulated), notes) == (2 * 2, [])  # forwards and backwards; a third shape is computed plainly
    for mine, theirs in zip(model.buffers(), plain.buffers(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_replay_trains_as_plain_calls_do(replaying: torch.device) -> None:
    weights = []
    for calls in (1, 1000):
        notes: list[str] = []
        model = network().to(replaying).train()
        function = graphs.replayed(model, model, compute(replaying, notes), calls)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=True)
        for step in range(8):
            optimizer.zero_grad()
            batch = images(6 if step % 4 else 5, step).to(replaying)
            torch.autograd.backward(function(batch).square().mean())
            optimizer.step()
        assert notes == []
        weights.append([value.detach().cpu() for value in model.state_dict().values()])
    for plain, replayed in zip(*weights, strict=True):
        torch.testing.assert_close(replayed, plain, rtol=1e-4, atol=1e-5)


def test_what_was_captured_for_training_does_not_serve_a_test(emulated: list[int]) -> None:
    model = network().train()
    plain, replayed = copy.deepcopy(model), graphs.Replayed(model, model, compute("cpu", []), ())
    for mode in (True, False):
        assert torch.equal(replayed.train(mode)(images()), plain.train(mode)(images()))
    with torch.no_grad():
        result = replayed(images())
    assert not result.requires_grad
    assert len(emulated) == 4


def test_passes_are_counted_once_a_call_though_a_capture_makes_several(emulated: list[int]) -> None:
    model, seen = network().eval(), list[int]()
    model.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))

    def function(batch: Tensor) -> Tensor:
        return model(batch).sum()  # type: ignore[no-any-return]  # a module gives anything

    replayed = graphs.Replayed(function, model, compute("cpu", []), (model,))
    source = images().requires_grad_()
    for _ in range(3):
        torch.autograd.backward(replayed(source))
    assert (len(emulated), seen) == (2, [6, 6, 6])


def test_a_replay_draws_the_numbers_that_plain_calls_draw_anew_each_time(emulated: list[int]) -> None:
    model = network(nn.Dropout(0.5)).train()
    replayed, drawn = graphs.Replayed(model, model, compute("cpu", []), ()), []
    for function in (replayed, model):
        with torch.random.fork_rng():
            torch.manual_seed(7)
            drawn.append([function(images()).detach().clone() for _ in range(3)])
    assert len(emulated) == 2
    assert not torch.equal(drawn[0][0], drawn[0][1])
    assert all(map(torch.equal, *drawn))


@pytest.mark.usefixtures("emulated")
def test_a_network_that_computes_otherwise_each_time_is_computed_plainly_and_that_is_said() -> None:
    notes, turn = list[str](), itertools.count(1)
    model = network().train()
    replayed = graphs.Replayed(lambda batch: model(batch) * next(turn), model, compute("cpu", notes), ())
    assert replayed(images()).shape == (6, 5)
    assert notes == [
        "no CUDA graph (a replay differs from a plain call): kernels are launched one by one, which is slower"
    ]


def test_a_graph_that_does_not_read_its_images_is_not_trusted(
    emulated: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what comes of a capture on another device: nothing is in it, and the first result stays for ever."""
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda _: None)
    model, notes = network().eval(), list[str]()
    replayed = graphs.Replayed(torch.no_grad()(model), model, compute("cpu", notes), ())
    results = [replayed(images(6, seed)) for seed in (1, 2)]
    assert not torch.equal(*results)
    assert (len(emulated), len(notes)) == (1, 1)


@pytest.mark.usefixtures("emulated")
def test_a_capture_that_fails_is_said_in_one_line() -> None:
    notes, model = list[str](), network().train()
    replayed = graphs.Replayed(lambda batch: model(batch) * float(batch.mean()), model, compute("cpu", notes), ())
    assert replayed(images()).shape == (6, 5)
    assert len(notes) == 1
    assert notes[0].startswith("no CUDA graph (operation not permitted when stream is capturing): kernels are launched")


def test_a_teacher_asked_inside_of_autocast_is_captured_too(emulated: list[int]) -> None:
    model, notes = network().eval().requires_grad_(requires_grad=False), list[str]()
    work = compute("cpu", notes, "bfloat16")

    def ask(batch: Tensor) -> Tensor:
        with torch.no_grad(), device.autocast(work):
            return model(batch)  # type: ignore[no-any-return]  # a module gives anything

    replayed = graphs.replayed(ask, model, work, 1000)
    for seed in range(2):
        with device.autocast(work):  # as a student's loss does
            assert torch.equal(replayed(images(6, seed)), ask(images(6, seed)))
    assert (len(emulated), notes) == (1, [])


def test_slopes_that_are_0_but_for_rounding_do_not_tell_a_replay_from_a_plain_call() -> None:
    model = network().train()
    batch, bias = images(), 1  # a bias before batch norm has no slope
    weights = list(model.parameters())
    plain = graphs._slopes(model, batch, weights)[1:]
    laid_otherwise = graphs._slopes(model, batch.contiguous(memory_format=torch.channels_last), weights)[1:]
    assert (plain[bias] - laid_otherwise[bias]).norm() > 1e-3 * plain[bias].norm()
    assert graphs._alike(laid_otherwise, plain, 1e-3)
    assert not graphs._alike([plain[0] * 1.1, *plain[1:]], plain, 1e-3)


@pytest.mark.usefixtures("emulated")
def test_nothing_that_autograd_recorded_in_a_capture_takes_gradients_afterwards() -> None:
    """Its nodes belong to the stream of the capture: another could not be captured, or has to wait for it."""
    model = network().train()
    weight = model.get_parameter("0.weight")

    def noted() -> Any:
        return get_gradient_edge(weight).node.metadata

    def function(batch: Tensor) -> Tensor:
        result: Tensor = model(batch)
        noted()["recorded"] = True
        return result

    replayed = graphs.Replayed(function, model, compute("cpu", []), ())
    result = replayed(images())
    assert "recorded" not in noted()
    plain = function(images())
    assert "recorded" in noted()
    assert torch.equal(result, plain)


@pytest.mark.usefixtures("uncollected")
def test_graphs_and_their_memory_go_with_the_function_and_need_no_collector(emulated: list[int]) -> None:
    model = network().train()
    replayed = graphs.Replayed(model, model, compute("cpu", []), ())
    torch.autograd.backward(replayed(images()).sum())
    [captured] = [weakref.ref(each) for each in replayed._captured.values()]
    assert len(emulated) == 2
    del replayed
    assert captured() is None
