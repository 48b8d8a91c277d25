from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ddbench.errors import UserError
from ddbench.kit import normstats


def by_hand(features: np.ndarray, running_mean: np.ndarray, running_variance: np.ndarray) -> tuple[float, float]:
    """Write mean and biased variance out in float64, channel by channel, and take un-squared lengths."""
    mean_squares = variance_squares = 0.0
    for channel in range(features.shape[1]):
        values = np.asarray(features[:, channel], dtype=np.float64).ravel()
        mean = values.sum() / values.size
        variance = ((values - mean) ** 2).sum() / values.size
        mean_squares += (mean - float(running_mean[channel])) ** 2
        variance_squares += (variance - float(running_variance[channel])) ** 2
    return mean_squares**0.5, variance_squares**0.5


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def with_statistics(layer: nn.Module, seed: int) -> nn.Module:
    layer.running_mean = numbers(layer.num_features, seed=seed)  # type: ignore[arg-type] # a batch norm's width
    layer.running_var = numbers(layer.num_features, seed=seed + 1).square() + 0.5  # type: ignore[arg-type] # likewise
    return layer


def two_layers() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 5, 3), with_statistics(nn.BatchNorm2d(5), 1), nn.ReLU(), nn.Conv2d(5, 7, 3)
    return nn.Sequential(*layers, with_statistics(nn.BatchNorm2d(7), 3)).eval()


def distance(features: Tensor, layer: nn.Module) -> tuple[float, float]:
    return by_hand(features.detach().numpy(), layer.running_mean.numpy(), layer.running_var.numpy())  # type: ignore[operator] # tensors


def test_distances_are_unsquared_norms_of_each_layers_input_and_the_first_layer_counts_ten_times() -> None:
    model, images = two_layers(), numbers(6, 3, 9, 9)
    first_input = model[0](images)
    second_input = model[:4](images)
    first, second = distance(first_input, model[1]), distance(second_input, model[4])
    with normstats.matching(model) as statistics:
        model(images)
        distances = statistics.collect()
    assert distances.mean.item() == pytest.approx(10 * first[0] + second[0], rel=1e-5)
    assert distances.variance.item() == pytest.approx(10 * first[1] + second[1], rel=1e-5)


def test_first_weight_can_be_set() -> None:
    model, images = two_layers(), numbers(6, 3, 9, 9)
    values = []
    for weight in (0.0, 1.0, 3.0):
        with normstats.matching(model, first_weight=weight) as statistics:
            model(images)
            values.append(statistics.collect().mean.item())
    assert values[2] - values[0] == pytest.approx(3 * (values[1] - values[0]), rel=1e-4)


@pytest.mark.parametrize("shape", [(40, 6), (4, 6, 10), (4, 6, 5, 2)])
def test_statistics_run_over_everything_but_channels(shape: tuple[int, ...]) -> None:
    layer = with_statistics(nn.BatchNorm1d(6), 1)
    features = numbers(*shape)
    mean, variance = normstats.channel_distances(features, layer.running_mean, layer.running_var)  # type: ignore[arg-type] # tensors
    assert (mean.item(), variance.item()) == pytest.approx(distance(features, layer), rel=1e-5)


def test_tokens_folded_into_the_batch_of_a_batchnorm1d_are_matched() -> None:
    model = nn.Sequential(nn.Flatten(0, 1), with_statistics(nn.BatchNorm1d(8), 1)).eval()
    tokens = numbers(5, 7, 8)
    with normstats.matching(model) as statistics:
        model(tokens)
        distances = statistics.collect()
    mean, variance = distance(tokens.reshape(35, 8), model[1])
    assert (distances.mean.item(), distances.variance.item()) == pytest.approx((10 * mean, 10 * variance), rel=1e-5)


@pytest.mark.parametrize("shape", [(12, 3), (3, 4, 5), (3, 4, 5, 2)])
def test_gradient_is_that_of_finite_differences(shape: tuple[int, ...]) -> None:
    features = numbers(*shape).double().requires_grad_()
    running = numbers(shape[1], seed=7).double(), numbers(shape[1], seed=8).double().square()
    assert torch.autograd.gradcheck(lambda values: normstats.channel_distances(values, *running), (features,))


def test_gradient_is_that_of_a_plain_float64_graph_in_either_layout() -> None:
    features, running = numbers(5, 4, 6, 6), (numbers(4, seed=7), numbers(4, seed=8).square())
    plain = features.double().requires_grad_()
    mean_gap = plain.mean((0, 2, 3)) - running[0].double()
    variance_gap = plain.var((0, 2, 3), unbiased=False) - running[1].double()
    (3 * mean_gap.square().sum().sqrt() + 5 * variance_gap.square().sum().sqrt()).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    for layout in (torch.contiguous_format, torch.channels_last):
        leaf = features.clone(memory_format=layout).requires_grad_()
        mean, variance = normstats.channel_distances(leaf, *running)
        (gradient,) = torch.autograd.grad(3 * mean + 5 * variance, leaf)
        torch.testing.assert_close(gradient.double(), plain.grad, rtol=1e-4, atol=1e-7)


def test_many_values_far_from_zero_lose_no_digits() -> None:
    features = (numbers(64, 2, 64, 64) + 20).contiguous(memory_format=torch.channels_last)
    running = torch.zeros(2), torch.zeros(2)
    found = [value.item() for value in normstats.channel_distances(features, *running)]
    assert found == pytest.approx(by_hand(features.numpy(), np.zeros(2), np.zeros(2)), rel=3e-6)


def test_bfloat16_features_are_averaged_in_float32_and_get_bfloat16_gradients() -> None:
    features = (numbers(16, 3, 8, 8) + 2).bfloat16().requires_grad_()
    mean, variance = normstats.channel_distances(features, torch.zeros(3), torch.zeros(3))
    expected = by_hand(features.detach().float().numpy(), np.zeros(3), np.zeros(3))
    assert mean.dtype == variance.dtype == torch.float32
    assert (mean.item(), variance.item()) == pytest.approx(expected, rel=1e-5)
    assert torch.autograd.grad(mean + variance, features)[0].dtype == torch.bfloat16


def test_autocast_does_not_reach_the_statistics() -> None:
    features = (numbers(64, 4, 32, 32) + 3).bfloat16()  # so many that they are pooled from pieces
    plain = normstats.channel_distances(features, torch.zeros(4), torch.ones(4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = normstats.channel_distances(features, torch.zeros(4), torch.ones(4))
    assert inside == plain


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5), (6, 4, 5, 3)])
def test_devices_without_a_fused_reduction_have_the_same_statistics(shape: tuple[int, ...]) -> None:
    features = numbers(*shape) + 3
    torch.testing.assert_close(normstats._reduced(features), normstats._moments(features))


def test_statistics_that_already_match_give_a_gradient_of_zero() -> None:
    features = torch.tensor([[-1.0], [1.0]], requires_grad=True)
    mean, variance = normstats.channel_distances(features, torch.zeros(1), torch.ones(1))
    (gradient,) = torch.autograd.grad(mean + variance, features)
    assert (mean.item(), variance.item()) == (0, 0)
    assert gradient.tolist() == [[0], [0]]


def test_collecting_forgets_and_leaving_the_block_stops_watching() -> None:
    model, images = two_layers(), numbers(6, 3, 9, 9)
    with normstats.matching(model) as statistics:
        model(images)
        once = statistics.collect().mean
        model(images)
        again = statistics.collect().mean
    assert torch.equal(once, again)
    assert not any(layer._forward_pre_hooks for layer in model.modules())


def test_a_network_without_batch_norm_is_refused() -> None:
    with (
        pytest.raises(UserError, match="batch norm"),
        normstats.matching(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4))),
    ):
        pass


def test_distances_of_a_batch_follow_from_the_moments_of_its_parts_with_their_slope() -> None:
    model, images = two_layers().double(), numbers(7, 3, 9, 9).double().requires_grad_()
    with normstats.matching(model) as statistics:
        model(images)
        whole = statistics.collect()
    (expected,) = torch.autograd.grad(whole.mean + 3 * whole.variance, images)
    parts = torch.split(images, [2, 4, 1])
    with normstats.watching(model) as moments:
        found = []
        for part in parts:
            model(part)
            found.append(tuple(moments))
            moments.clear()
        pooled = normstats.pooled_distances(model, found, [2, 4, 1], normstats.FIRST_WEIGHT)
        (slope,) = torch.autograd.grad(pooled.mean + 3 * pooled.variance, images)
    assert [float(each.detach()) for each in pooled] == pytest.approx(
        [float(each.detach()) for each in whole], rel=1e-6
    )
    torch.testing.assert_close(slope, expected, rtol=1e-5, atol=1e-9)
    assert not any(layer._forward_pre_hooks for layer in model)
