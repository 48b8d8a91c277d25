"""A batch that goes through a network in parts has the slope of the whole."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ddbench.kit import accumulation


class _Tail(torch.autograd.Function):
    """Nothing, but for a look at how a tensor lies that was kept for the way back."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, strides: list[tuple[int, ...]]) -> Tensor:
        ctx.save_for_backward(features)
        ctx.strides = strides
        return features.clone()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        ctx.strides.append(ctx.saved_tensors[0].stride())
        return slope, None


def network(norm: nn.Module) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = (nn.Conv2d(3, 4, 3), norm, nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 5))
        return nn.Sequential(*layers).double().train()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(7, 3, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_slope_is_that_of_the_whole_even_where_the_loss_sees_the_batch(images: Tensor, count: int) -> None:
    model = network(nn.GroupNorm(2, 4))
    plain, source = copy.deepcopy(model), images.clone().requires_grad_()

    def loss(logits: Tensor) -> Tensor:
        return functional.cross_entropy(logits, torch.arange(7) % 5) + logits.var(0).sum() * logits.mean()

    expected = loss(plain(source))
    torch.autograd.backward(expected)
    own = images.clone().requires_grad_()
    found = accumulation.backward(
        own.tensor_split(count),
        lambda part: (model(part),),
        lambda outputs: loss(torch.cat([each for (each,) in outputs])),
    )
    assert float(found) == pytest.approx(float(expected.detach()), rel=1e-12)
    assert not found.requires_grad
    torch.testing.assert_close(own.grad, source.grad, rtol=1e-10, atol=1e-13)
    for mine, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(
    ("norm", "separable"),
    [
        (nn.GroupNorm(2, 4), True),
        (nn.InstanceNorm2d(4), True),
        (nn.BatchNorm2d(4), False),
        (nn.BatchNorm2d(4, track_running_stats=False), False),
        (nn.Dropout(0.1), False),
        (nn.Dropout(0.0), True),
    ],
    ids=str,
)
def test_batch_statistics_and_drawn_numbers_forbid_to_cut_a_batch(
    images: Tensor, norm: nn.Module, separable: bool
) -> None:
    model = network(norm)
    before = copy.deepcopy(model.state_dict())
    assert accumulation.is_separable(model, images) is separable
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_in_eval_mode_batch_norm_does_not_forbid_it(images: Tensor) -> None:
    assert accumulation.is_separable(network(nn.BatchNorm2d(4)).eval(), images)


def test_what_autograd_keeps_elsewhere_comes_back_in_every_bit_and_in_its_layout(images: Tensor) -> None:
    slopes: list[list[Tensor]] = []
    for device in ("cpu", "mps"):  # where it is kept at the processor, and so comes from there
        model = network(nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
        strides: list[tuple[int, ...]] = []
        with accumulation.kept_in_host_memory(torch.device(device)):
            convolution, norm, tanh, *head = model.children()
            features = tanh(norm(convolution(images.contiguous(memory_format=torch.channels_last))))
            torch.autograd.backward(nn.Sequential(*head)(_Tail.apply(features, strides)).logsumexp(1).sum())
        assert strides == [(144, 1, 24, 4)]
        slopes.append([weight.grad for weight in model.parameters() if weight.grad is not None])
    assert len(slopes[0]) == len(slopes[1]) == 6
    assert all(map(torch.equal, *slopes))
