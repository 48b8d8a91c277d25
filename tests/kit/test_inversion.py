from __future__ import annotations

import copy
import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ddbench.kit import graphs, inversion, jpeg
from ddbench.passes import PassCounter
from ddbench.types import Compute, DatasetSpec, SynthesisTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddbench.types import Precision

DATA = DatasetSpec("toy", "toy", 5, 8, 3, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), {}, (1,) * 5, "00", tuple("abcde"))
SETTINGS = inversion.Inversion(iterations=9, learning_rate=0.2, lambda_mean=0.3, lambda_var=0.7)


@pytest.fixture
def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = [nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Tanh(), nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(144, 5)).eval()


@pytest.fixture
def start() -> Tensor:
    return torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(2)) * 0.5


def part(
    progress: Callable[..., None] = lambda *_, **__: None, seed: int = 0, precision: Precision = "float32"
) -> inversion.Part:
    return inversion.Part(0, torch.arange(5), Compute(torch.device("cpu"), precision, seed, progress))


def losses_of(model: nn.Module, start: Tensor, settings: inversion.Inversion, **more: Any) -> list[float]:
    losses: list[float] = []
    heard = part(lambda done, total, loss: losses.append(loss))
    inversion.invert(model, start, heard, DATA, settings, **more)
    return losses


def reference(model: nn.Module, norm_model: nn.Module, start: Tensor) -> tuple[list[float], Tensor]:
    """Do what the protocol says in float64: its own statistics, its own Adam, its own cosine and clamp."""
    model, norm_model = copy.deepcopy(model).double(), copy.deepcopy(norm_model).double()
    images, moment, square = start.double(), torch.zeros(()).double(), torch.zeros(()).double()
    mean, std = (torch.tensor(values).double()[None, :, None, None] for values in (DATA.mean, DATA.std))
    losses = []
    for step in range(SETTINGS.iterations):
        images = images.detach().requires_grad_()
        loss = functional.cross_entropy(model(images), torch.arange(5))
        features = images
        for layer, factor in zip(norm_model, (0, 10, 0, 0, 1, 0, 0), strict=True):  # type: ignore[call-overload] # a Sequential
            if factor:
                values = features.transpose(0, 1).flatten(1)
                gap = values.mean(1) - layer.running_mean
                spread = ((values - values.mean(1, keepdim=True)) ** 2).mean(1) - layer.running_var
                loss = loss + factor * (0.3 * (gap**2).sum() ** 0.5 + 0.7 * (spread**2).sum() ** 0.5)
            features = layer(features)
        (slope,) = torch.autograd.grad(loss, images)
        losses.append(float(loss.detach()))
        moment, square = 0.5 * moment + 0.5 * slope, 0.9 * square + 0.1 * slope**2
        rate = 0.2 * 0.5 * (1 + math.cos(math.pi * step / SETTINGS.iterations))
        scale = (square / (1 - 0.9 ** (step + 1))).sqrt() + 1e-8
        images = images.detach() - rate * moment / (1 - 0.5 ** (step + 1)) / scale
        images = torch.maximum(torch.minimum(images, (1 - mean) / std), -mean / std)
    return losses, ((images * std + mean) * 255).round()


def test_the_loop_is_adam_with_a_cosine_and_a_clamp_as_written_out_in_float64(model: nn.Module, start: Tensor) -> None:
    losses, pixels = reference(model, model, start)
    assert losses_of(model, start, SETTINGS) == pytest.approx(losses, rel=1e-4)
    found = inversion.invert(model, start, part(), DATA, SETTINGS)
    assert found.dtype == torch.uint8
    assert (found.double() - pixels).abs().max() <= 1
    assert (found.double() == pixels).double().mean() > 0.99
    assert {0, 255} <= set(found.flatten().tolist())  # the clamp was at work


def test_norm_distances_can_be_taken_from_another_network(model: nn.Module, start: Tensor) -> None:
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.get_parameter("0.weight").mul_(1.5)
    losses, _ = reference(model, other, start)
    assert losses_of(model, start, SETTINGS, norm_model=other) == pytest.approx(losses, rel=1e-4)
    assert losses != pytest.approx(losses_of(model, start, SETTINGS), rel=1e-2)


def test_the_rate_falls_along_half_a_cosine_and_ends_above_zero() -> None:
    rates = [inversion.learning_rate(dataclasses.replace(SETTINGS, iterations=100), step) for step in range(100)]
    assert rates[0] == 0.2
    assert rates[50] == pytest.approx(0.1)
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 1e-3


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(model: nn.Module, start: Tensor) -> None:
    settings = dataclasses.replace(SETTINGS, jitter=2, crop=True, flip=True)
    runs = [inversion.invert(model, start, part(seed=seed), DATA, settings) for seed in (4, 4, 5)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_network_and_start_stay_as_they_were_and_weights_get_no_gradient(model: nn.Module, start: Tensor) -> None:
    before, begun = copy.deepcopy(model.state_dict()), start.clone()
    inversion.invert(model, start, part(), DATA, SETTINGS)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(weight.grad is None and not weight.requires_grad for weight in model.parameters())
    assert torch.equal(start, begun)


def test_optimising_lowers_the_loss(model: nn.Module, start: Tensor) -> None:
    losses = losses_of(model, start, dataclasses.replace(SETTINGS, iterations=60, learning_rate=0.05))
    assert losses[-1] < 0.8 * losses[0]


def test_a_loss_that_is_not_finite_fails_with_a_clear_line(model: nn.Module, start: Tensor) -> None:
    with torch.no_grad():
        model.get_parameter("6.bias").fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="loss is nan at iteration 1 of 9: try a smaller learning_rate"):
        inversion.invert(model, start, part(), DATA, SETTINGS)


def test_mixed_precision_runs_and_stays_near(model: nn.Module, start: Tensor) -> None:
    exact = inversion.invert(model, start, part(), DATA, SETTINGS).float()
    mixed = inversion.invert(model, start, part(precision="bfloat16"), DATA, SETTINGS).float()
    assert (exact - mixed).abs().mean() < 8


def test_a_jpeg_quality_passes_the_result_through_jpeg_once(model: nn.Module, start: Tensor) -> None:
    lossless = inversion.invert(model, start, part(), DATA, SETTINGS)
    stored = inversion.invert(model, start, part(), DATA, dataclasses.replace(SETTINGS, jpeg_quality=60))
    assert torch.equal(stored, jpeg.through_jpeg(lossless, 60))


def test_settings_are_read_from_fields_of_the_same_names_unless_given() -> None:
    source = dataclasses.replace(SETTINGS, jitter=3)
    assert inversion.Inversion.of(source) == source
    assert inversion.Inversion.of(source, lambda_var=2.0) == dataclasses.replace(source, lambda_var=2.0)


def task(*indices: int, progress: Callable[..., None] = lambda *_, **__: None) -> SynthesisTask:
    compute = Compute(torch.device("cpu"), "float32", 3, progress)
    return SynthesisTask(DATA, None, nn.Identity, {}, indices, 0, compute)  # type: ignore[arg-type] # nothing reads the pictures


def test_parts_hold_consecutive_classes_once_per_index() -> None:
    found = [(each.index, each.classes.tolist(), each.opens_index) for each in inversion.parts(task(4, 6), 2)]
    once = [([0, 1], True), ([2, 3], False), ([4], False)]
    assert found == [(index, classes, opens) for index in (4, 6) for classes, opens in once]


def test_parts_have_seeds_of_their_own_that_other_indices_do_not_touch() -> None:
    both, alone = (list(inversion.parts(task(*indices), 2)) for indices in ((4, 6), (6,)))
    seeds = [each.compute.seed for each in both]
    assert len(set(seeds)) == len(seeds)
    assert seeds[3:] == [each.compute.seed for each in alone]


def test_progress_runs_over_all_parts() -> None:
    heard: list[tuple[int, int]] = []
    for each in inversion.parts(task(0, 1, progress=lambda done, total, **_: heard.append((done, total))), 3):
        for done in (1, 2):
            each.compute.progress(done, 2)
    assert heard == [(done, 8) for done in range(1, 9)]


@pytest.mark.parametrize("with_other", [False, True])
def test_in_two_parts_the_losses_are_those_of_the_whole_batch(
    model: nn.Module, start: Tensor, with_other: bool
) -> None:
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.get_parameter("0.weight").mul_(1.5)
    more = {"norm_model": other} if with_other else {}
    settings = dataclasses.replace(SETTINGS, jitter=2, crop=True, flip=True)
    losses: list[float] = []
    notes: list[str] = []
    whole = part(lambda done, total, loss: losses.append(loss))
    cut = dataclasses.replace(whole, compute=dataclasses.replace(whole.compute, parts=2, note=notes.append))
    images = [inversion.invert(model, start, each, DATA, settings, **more) for each in (whole, cut)]
    assert losses[9:] == pytest.approx(losses[:9], rel=2e-3)
    assert losses[9] == pytest.approx(losses[0], rel=1e-6)
    assert (images[0].float() - images[1].float()).abs().mean() < 0.5
    assert notes == ["each batch was sent through the teacher in 2 parts"]


def test_in_two_parts_mixed_precision_rounds_no_more_than_in_one(model: nn.Module, start: Tensor) -> None:
    losses: list[float] = []
    whole = part(lambda done, total, loss: losses.append(loss), precision="bfloat16").compute
    settings = dataclasses.replace(SETTINGS, iterations=1, lambda_mean=0.0, lambda_var=0.0)
    for work in (whole, dataclasses.replace(whole, parts=2)):
        inversion.invert(model, start, inversion.Part(0, torch.arange(5), work), DATA, settings)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.parametrize("with_other", [False, True])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_replayed_graphs_give_the_losses_of_plain_calls_and_count_their_passes(
    model: nn.Module, start: Tensor, precision: Precision, *, with_other: bool, replaying: torch.device
) -> None:
    settings = dataclasses.replace(SETTINGS, iterations=12, jitter=2, flip=True)

    def descended(worth: int) -> list[float]:
        counter, losses, notes = PassCounter(), list[float](), list[str]()

        def progress(done: int, total: int, **numbers: float) -> None:
            losses.append(numbers["loss"])

        work = Compute(replaying, precision, 0, progress, note=notes.append)
        own, one = counter.watch(copy.deepcopy(model)), inversion.Part(0, torch.arange(5), work)
        other = counter.watch(copy.deepcopy(model)) if with_other else None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(graphs, "WORTH_IT", worth)
            inversion.invert(own, start, one, DATA, settings, norm_model=other)
        assert notes == []
        assert (counter.forward, counter.backward) == ((1 + with_other) * 12 * 5, 12 * 5)
        return losses

    replayed, plain = descended(1), descended(1000)
    assert replayed == pytest.approx(plain, rel=1e-3 if precision == "float32" else 5e-2)
