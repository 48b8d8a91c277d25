from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from ddbench.errors import UserError
from ddbench.kit import device, rng
from ddbench.kit.diffusion import Diffusion, Pixels, linear_alphas
from ddbench.testing.bench import Bench, joined
from ddbench.testing.toys import ToyDataset
from ddbench_diffusion_memory import sampling, transformer
from ddbench_diffusion_memory.sampling import Sampling

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import SynthesisTask

SCHEDULERS = ("ddpm", "ddim", "dpm-solver")


def settings(**given: Any) -> Sampling:
    usual: dict[str, Any] = {
        "steps": 3, "guidance": 2.0, "guided_channels": 0, "scheduler": "ddpm", "images_at_once": 50,
    }  # fmt: skip
    return Sampling(**(usual | given))


class Constant(nn.Module):
    """Estimates the same noise everywhere, by class; may give a variance."""

    def __init__(self, values: list[list[float]]) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.tensor(values))
        self.asked: list[tuple[list[int], list[int]]] = []

    def forward(
        self, noised: Tensor, timestep: Tensor, class_labels: Tensor, *, return_dict: bool = False
    ) -> tuple[Tensor]:
        self.asked.append((timestep.tolist(), class_labels.tolist()))
        height, width = noised.shape[2:]
        return (self.values[class_labels][:, :, None, None].expand(-1, -1, height, width),)


def model(network: nn.Module, classes: int = 3, channels: int = 1, size: int = 8) -> Diffusion:
    return Diffusion(network, Pixels(), linear_alphas(), torch.arange(classes), classes, (channels, size, size))


def transforming(classes: int = 3) -> Diffusion:
    """Return a model that mixes what it sees of an image; its weights are random, its noise too little to clip."""
    with rng.seeded(0, "weights"):
        network = transformer.build(size=8, channels=1, width=16, heads=2, layers=2, patch_size=2)
    return dataclasses.replace(model(device.freeze(network), classes), alphas_cumprod=linear_alphas(1000, 1e-4, 1e-3))


def task(*indices: int, seed: int = 0, channels: int = 1, bench: Bench | None = None) -> SynthesisTask:
    bench = bench or Bench(ToyDataset(channels=channels))
    return dataclasses.replace(bench.synthesis_task(indices[0], seed=seed), indices=indices)


def latents(made: Diffusion, given: Sampling, classes: Tensor, seed: int = 0) -> Tensor:
    lots = [rng.generator(seed, label) for label in classes.tolist()]
    noise = torch.stack([torch.randn(made.latent_shape, generator=lot) for lot in lots])
    return sampling.denoised(made, noise, classes, lots, given, Bench().compute(0))


def start(made: Diffusion, classes: Tensor, seed: int = 0) -> Tensor:
    return torch.stack([
        torch.randn(made.latent_shape, generator=rng.generator(seed, label)) for label in classes.tolist()
    ])  # fmt: skip


def test_ddpm_takes_the_steps_that_the_papers_formula_takes() -> None:
    made, classes = model(Constant([[0.3], [-0.2], [0.1], [0.0]])), torch.arange(3)
    abar = linear_alphas().double()
    z, noise = start(made, classes).double(), [rng.generator(0, label) for label in range(3)]
    for lot in noise:
        torch.randn(made.latent_shape, generator=lot)
    eps = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64).view(3, 1, 1, 1)
    for now, then in ((999, 500), (500, 0), (0, -1)):
        before = abar[then] if then >= 0 else torch.ones((), dtype=torch.float64)
        alpha = abar[now] / before
        clean = (z - (1 - abar[now]).sqrt() * eps) / abar[now].sqrt()
        # Ho et al., Eq. 7, over the steps that are left
        z = (before.sqrt() * (1 - alpha) * clean + alpha.sqrt() * (1 - before) * z) / (1 - abar[now])
        if now:
            tilde = (1 - before) / (1 - abar[now]) * (1 - alpha)
            z += tilde.sqrt() * torch.stack([torch.randn(made.latent_shape, generator=lot) for lot in noise])
    found = latents(made, settings(guidance=1.0), classes)
    assert torch.allclose(found.double(), z, rtol=1e-3, atol=1e-3)


def test_a_learned_variance_moves_the_noise_between_its_bounds() -> None:
    classes = torch.arange(3)
    plain = latents(model(Constant([[0.1]] * 4)), settings(guidance=1.0, steps=2), classes)
    smaller = latents(model(Constant([[0.1, -1.0]] * 4)), settings(guidance=1.0, steps=2), classes)
    larger = latents(model(Constant([[0.1, 1.0]] * 4)), settings(guidance=1.0, steps=2), classes)
    assert torch.allclose(plain, smaller)
    # with two steps, at 999 and 0, the noise of the first is sqrt(beta~) or sqrt(beta) of that way, times a normal
    abar = linear_alphas().double()
    alpha = abar[999] / abar[0]
    tilde, beta = (1 - abar[0]) / (1 - abar[999]) * (1 - alpha), 1 - alpha
    lots = [rng.generator(0, label) for label in range(3)]
    drawn = [[torch.randn(1, 8, 8, generator=lot) for lot in lots] for _ in range(2)][1]
    expected = (beta.sqrt() - tilde.sqrt()) * torch.stack(drawn).double() / abar[0].sqrt()
    assert torch.allclose((larger - smaller).double(), expected, atol=1e-3)


@pytest.mark.parametrize("scheduler", ["ddim", "dpm-solver"])
def test_where_the_noise_is_known_a_sampler_without_noise_lands_at_the_clean_latent(scheduler: str) -> None:
    class Knows(nn.Module):
        def forward(
            self, noised: Tensor, timestep: Tensor, class_labels: Tensor, *, return_dict: bool = False
        ) -> tuple[Tensor]:
            abar = linear_alphas()[timestep].view(-1, 1, 1, 1)
            return ((noised - abar.sqrt() * 0.5) / (1 - abar).sqrt(),)

    found = latents(model(Knows()), settings(scheduler=scheduler, steps=10), torch.arange(3))
    assert torch.allclose(found, torch.full_like(found, 0.5), atol=1e-3)


def test_guidance_moves_the_channels_that_it_is_told_and_leaves_the_others() -> None:
    # eps of class and of none: 1 and 0 in two channels; a third holds the variance of neither
    made = model(Constant([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]), classes=2, channels=2)
    noise, classes = torch.zeros(2, 2, 8, 8), torch.arange(2)
    with torch.no_grad():
        all_moved = sampling._guided(made, noise, 500, classes, settings(guidance=4.0))
        first_moved = sampling._guided(made, noise, 500, classes, settings(guidance=4.0, guided_channels=1))
    assert torch.equal(all_moved, torch.full((2, 2, 8, 8), 4.0))
    assert torch.equal(first_moved[:, 0], torch.full((2, 8, 8), 4.0))
    assert torch.equal(first_moved[:, 1], torch.ones(2, 8, 8))


def test_guidance_of_1_asks_the_network_once_and_never_of_no_class() -> None:
    for guidance, asked in ((1.0, [0, 1, 2]), (1.5, [0, 1, 2, 3, 3, 3])):
        network = Constant([[0.0]] * 4)
        latents(model(network), settings(guidance=guidance), torch.arange(3))
        assert [conditions for _, conditions in network.asked] == [asked] * 3


def test_the_network_is_told_conditions_not_labels() -> None:
    network = Constant([[0.0]] * 11)
    made = dataclasses.replace(model(network), conditions=torch.tensor([7, 2, 9]), null=10)
    latents(made, settings(), torch.tensor([2, 0]))
    assert network.asked[0][1] == [9, 7, 10, 10]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_schedulers_noise_is_the_networks(scheduler: str) -> None:
    alphas = linear_alphas(1000, 2e-4, 0.03)
    made = sampling._scheduler(alphas, settings(scheduler=scheduler, steps=50))
    assert torch.allclose(made.alphas_cumprod, alphas, rtol=1e-4)
    assert len(made.timesteps) == 50
    assert int(made.timesteps[0]) == 999


def test_ddpm_takes_dits_steps() -> None:
    steps = sampling._scheduler(linear_alphas(), settings(steps=50)).timesteps.tolist()
    assert steps[:4] == [999, 979, 958, 938]
    assert steps[-2:] == [20, 0]


@pytest.mark.parametrize("known", [8, 1000])
@pytest.mark.parametrize(("scheduler", "fewer"), [("ddpm", 0), ("ddim", 0), ("dpm-solver", 1)])
def test_no_step_is_taken_twice_and_more_than_there_are_is_refused(scheduler: str, fewer: int, known: int) -> None:
    made = dataclasses.replace(model(Constant([[0.0]] * 4)), alphas_cumprod=linear_alphas(known))
    most = settings(scheduler=scheduler, steps=known - fewer)
    most.check(made)
    assert len(set(sampling._scheduler(made.alphas_cumprod, most).timesteps.tolist())) == known - fewer
    with pytest.raises(UserError, match=f"set steps={known - fewer} or less"):
        dataclasses.replace(most, steps=most.steps + 1).check(made)


def test_bfloat16_rounds_the_products_of_the_network_alone() -> None:
    made, classes = transforming(), torch.arange(3)
    lots = [rng.generator(0, label) for label in range(3)]
    compute = dataclasses.replace(Bench().compute(0), precision="bfloat16")
    given = settings(scheduler="ddim")
    plain = latents(made, given, classes)
    rounded = sampling.denoised(made, start(made, classes), classes, lots, given, compute)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, plain)
    assert torch.allclose(rounded, plain, rtol=0.1, atol=0.1)


# ------------------------------------------------------------------------------------------------- images


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_an_image_of_a_transformer_is_the_same_in_batches_of_1_and_16(scheduler: str) -> None:
    bench, made = Bench(ToyDataset(classes=16)), transforming(16)
    one, many = (
        joined(sampling.draw(made, task(3, bench=bench), settings(scheduler=scheduler, images_at_once=at)))
        for at in (1, 16)
    )
    assert ((one.images > 0) & (one.images < 255)).float().mean() > 0.25
    assert int((one.images.int() - many.images.int()).abs().max()) <= 1


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_an_image_is_the_same_in_batches_of_1_and_16(scheduler: str) -> None:
    bench = Bench(ToyDataset(classes=16))
    one, many = (
        joined(sampling.draw(bench.generator(), task(3, bench=bench), settings(scheduler=scheduler, images_at_once=at)))
        for at in (1, 16)
    )
    assert one.labels.tolist() == many.labels.tolist() == list(range(16))
    assert int((one.images.int() - many.images.int()).abs().max()) <= 1


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_small_ipc_is_the_beginning_of_a_large_one(scheduler: str) -> None:
    bench, given = Bench(), settings(scheduler=scheduler)
    ten = joined(sampling.draw(bench.generator(), task(0, 1, bench=bench), given))
    alone = joined(sampling.draw(bench.generator(), task(1, bench=bench), given))
    assert torch.equal(ten.images[3:], alone.images)
    assert not torch.equal(ten.images[:3], alone.images)


def test_samples_are_spread_as_the_images_that_the_network_knows() -> None:
    bench = Bench()
    made, given = bench.generator(), settings(guidance=1.0, steps=200, scheduler="dpm-solver")
    classes = torch.arange(3).repeat(40)
    lots = [rng.generator(0, number) for number in range(len(classes))]
    noise = torch.stack([torch.randn(made.latent_shape, generator=lot) for lot in lots])
    found = sampling.denoised(made, noise, classes, lots, given, bench.compute(0)).view(40, 3, 64)
    means = made.network.means.weight[:3]  # type: ignore[union-attr, index] # the toy's table
    assert torch.allclose(found.mean(0), means, atol=0.15)
    assert float(found.std(0).mean()) == pytest.approx(made.network.deviation, rel=0.05)


def test_another_seed_gives_other_images() -> None:
    bench = Bench()
    first, second = (
        joined(sampling.draw(bench.generator(), task(0, seed=seed, bench=bench), settings())) for seed in (0, 1)
    )
    assert not torch.equal(first.images, second.images)


def test_images_are_rounded_and_clipped() -> None:
    values = torch.tensor([-2.0, -1.0, 0.0, 1 / 255, 1.0, 3.0, -0.999, 0.5]).view(1, 1, 1, 8).expand(1, 1, 8, 8)
    made = sampling.decoded(model(Constant([[0.0]])), values, Bench().data)
    assert made.dtype == torch.uint8
    assert made[0, 0, 0].tolist() == [0, 0, 128, 128, 255, 255, 0, 191]


def test_images_of_another_size_than_the_datas_are_refused() -> None:
    with pytest.raises(UserError, match="makes images of 1 x 8 x 8 where toy has 3 x 8 x 8"):
        sampling.decoded(model(Constant([[0.0]])), torch.zeros(1, 1, 8, 8), Bench(ToyDataset(channels=3)).data)


def test_images_that_are_not_finite_are_not_handed_over() -> None:
    with pytest.raises(FloatingPointError, match="not finite"):
        sampling.decoded(model(Constant([[0.0]])), torch.full((1, 1, 8, 8), float("nan")), Bench().data)


def test_more_guided_channels_than_latents_have_are_refused() -> None:
    with pytest.raises(UserError, match="guided_channels = 3, but the generator's latents have 1 channels"):
        list(sampling.draw(model(Constant([[0.0]] * 4)), task(0), settings(guided_channels=3)))


def test_too_little_memory_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(sampling, "denoised", full)
    bench = Bench()
    with pytest.raises(UserError, match="too small to sample 3 images at once: lower images_at_once"):
        list(sampling.draw(bench.generator(), task(0, bench=bench), settings()))


def test_progress_is_told_over_all_parts() -> None:
    bench = Bench()
    list(sampling.draw(bench.generator(), task(0, 1, bench=bench), settings(images_at_once=2)))
    assert bench.heard == [(step, 12) for step in range(1, 13)]


def test_what_changes_no_image_is_not_in_the_identity() -> None:
    assert settings(images_at_once=1).identity() == settings(images_at_once=7).identity()
    alone = settings(guidance=1.0, guided_channels=1)
    assert alone.identity() == settings(guidance=1.0).identity()
    assert settings(guided_channels=1).identity() != settings().identity()
