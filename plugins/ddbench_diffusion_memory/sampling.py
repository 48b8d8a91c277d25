"""Images out of a diffusion model, each from random numbers of its own."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import torch

from ddbench.errors import UserError
from ddbench.kit import device, rng
from ddbench.types import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from ddbench.kit.diffusion import Diffusion
    from ddbench.types import Compute, DatasetSpec, SynthesisTask

Scheduler = Literal["ddpm", "ddim", "dpm-solver"]


@dataclass(frozen=True)
class Sampling:
    """How images are drawn; synthesizers have fields of the same names.

    Attributes:
        steps: calls of the network for each image, twice as many with guidance.
        guidance: scale of classifier-free guidance (Ho and Salimans, 2021); 1 is without.
        guided_channels: how many of the latents' channels it moves, from the first; 0 for all.
        scheduler: ``ddpm`` (Ho et al., NeurIPS 2020), ancestral, over evenly spaced steps, with the variance that the
            network has learned where it has (Nichol and Dhariwal, ICML 2021), else the smaller of the fixed ones;
            ``ddim`` (Song et al., ICLR 2021), without noise; ``dpm-solver`` (Lu et al., 2022: DPM-Solver++, order 2).
        images_at_once: in one batch; no image depends on it, but for rounding.
    """

    steps: int
    guidance: float
    guided_channels: int
    scheduler: Scheduler
    images_at_once: int

    @classmethod
    def of(cls, synthesizer: Any) -> Sampling:
        """Read the settings from a synthesizer's fields of the same names."""
        return cls(**{name: getattr(synthesizer, name) for name in cls.__dataclass_fields__})

    def identity(self) -> dict[str, object]:
        """Return what of it decides the images."""
        idle = {"images_at_once"} | ({"guided_channels"} if self.guidance == 1 else set())
        return {name: value for name, value in vars(self).items() if name not in idle}

    def check(self, model: Diffusion) -> None:
        """Refuse a model.

        Raises:
            UserError: its latents have fewer channels than are to be guided, or it knows too few steps.
        """
        # DPM-Solver ends before the step that ddpm ends at: one more would visit a step twice
        most = len(model.alphas_cumprod) - (self.scheduler == "dpm-solver")
        if self.steps > most:
            raise UserError(
                f"steps = {self.steps}, but scheduler={self.scheduler} has {most} on this generator: "
                f"set steps={most} or less"
            )
        channels = model.latent_shape[0]
        if self.guided_channels > channels:
            raise UserError(
                f"guided_channels = {self.guided_channels}, but the generator's latents have {channels} channels: "
                "set guided_channels=0 for all"
            )


def draw(model: Diffusion, task: SynthesisTask, settings: Sampling) -> Iterator[Batch]:
    """Yield images, one of every class for each index that is asked.

    Image i of a class depends on the synthesis seed, the class and i alone.

    Raises:
        UserError: the model's images are not of the data's size, there are fewer channels than are to be guided or
            fewer steps than are to be taken, or the GPU's memory is too small.
    """
    settings.check(model)
    chunks = torch.split(torch.arange(task.data.num_classes), settings.images_at_once)
    parts = list(product(task.indices, chunks))
    for number, (index, classes) in enumerate(parts):
        lots = [rng.generator(task.synthesis_seed, "sample", label, index) for label in classes.tolist()]
        noise = torch.stack([torch.randn(model.latent_shape, generator=lot) for lot in lots])
        compute = _share(task.compute, number, len(parts))
        try:
            made = decoded(model, denoised(model, noise, classes, lots, settings, compute), task.data)
        except torch.cuda.OutOfMemoryError as error:
            raise UserError(
                f"the GPU's memory is too small to sample {len(classes)} images at once: lower images_at_once"
            ) from error
        yield Batch(made, classes)


@torch.no_grad()
def denoised(
    model: Diffusion,
    noise: Tensor,
    classes: Tensor,
    lots: list[torch.Generator],
    settings: Sampling,
    compute: Compute,
) -> Tensor:
    """Return clean latents, float32 (B, c, s, s), on the device.

    Args:
        model: on the device.
        noise: z_T, float32 (B, c, s, s).
        classes: of the data, int64 (B,) on the CPU.
        lots: a CPU generator for each image, from which ``ddpm`` draws its noise.
        settings: see there.
        compute: device and precision of the network; all else is float32.
    """
    scheduler = _scheduler(model.alphas_cumprod, settings)
    own = {"generator": lots} if settings.scheduler == "ddpm" else {}
    latents, conditions = noise.to(compute.device), model.conditions.cpu()[classes].to(compute.device)
    for done, timestep in enumerate(scheduler.timesteps, 1):
        with device.autocast(compute):
            predicted = _guided(model, latents, int(timestep), conditions, settings)
        if settings.scheduler == "ddpm":
            predicted = _with_variance(predicted, latents)
        else:
            predicted = predicted[:, : latents.shape[1]]
        latents = scheduler.step(predicted, timestep, latents, return_dict=False, **own)[0]
        compute.progress(done, settings.steps)
    return latents


@torch.no_grad()
def decoded(model: Diffusion, latents: Tensor, data: DatasetSpec) -> Tensor:
    """Return the images of latents, uint8 (B, C, S, S) on the CPU, rounded to the nearest level and clipped.

    Raises:
        FloatingPointError: they are not finite.
        UserError: they are not of the data's size.
    """
    made = model.codec.decode(latents).float()
    size = (data.channels, data.image_size, data.image_size)
    if made.shape[1:] != size:
        raise UserError(
            f"the generator makes images of {_size(made.shape[1:])} where {data.name} has {_size(size)}: "
            "take a generator of that size"
        )
    if not made.isfinite().all():
        raise FloatingPointError("the generated images are not finite: try a lower guidance, or precision float32")
    return made.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).cpu()


def _guided(model: Diffusion, latents: Tensor, timestep: int, conditions: Tensor, settings: Sampling) -> Tensor:
    """Return what the network gives at a step, float32 (B, c or 2c, s, s): eps(none) + g (eps(class) - eps(none)).

    Channels that guidance leaves alone, and a learned variance, are those that belong to the class.
    """
    times = torch.full_like(conditions, timestep)
    if settings.guidance == 1:
        return model.predict(latents, times, conditions).float()
    asked = torch.cat((conditions, torch.full_like(conditions, model.null)))
    predicted = model.predict(latents.repeat(2, 1, 1, 1), times.repeat(2), asked).float()
    of_class, of_none = predicted.chunk(2)
    moved = settings.guided_channels or latents.shape[1]
    guided = of_none[:, :moved].lerp(of_class[:, :moved], settings.guidance)
    return torch.cat((guided, of_class[:, moved:]), dim=1)


def _with_variance(predicted: Tensor, latents: Tensor) -> Tensor:
    """Return a prediction (B, 2c, s, s); where none of the variance is learned, with that of the smaller fixed one."""
    if predicted.shape[1] > latents.shape[1]:
        return predicted
    return torch.cat((predicted, torch.full_like(predicted, -1)), dim=1)


def _scheduler(alphas_cumprod: Tensor, settings: Sampling) -> Any:
    """Return diffusers' scheduler over the noise schedule that the network knows, its steps set, on the CPU."""
    from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

    abar = alphas_cumprod.cpu().double()
    betas = (1 - abar / torch.cat((abar.new_ones(1), abar[:-1]))).tolist()
    common = {"num_train_timesteps": len(betas), "trained_betas": betas}
    if settings.scheduler == "ddpm":  # as DiT samples: from the last step to the first, nothing clipped
        scheduler = DDPMScheduler(
            **common, variance_type="learned_range", timestep_spacing="linspace", clip_sample=False
        )
    elif settings.scheduler == "ddim":  # the only spacing that begins at noise alone and steps as it says
        scheduler = DDIMScheduler(**common, timestep_spacing="trailing", clip_sample=False)
    else:
        scheduler = DPMSolverMultistepScheduler(**common, algorithm_type="dpmsolver++", solver_order=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # diffusers' way from torch to numpy: not ours to mend
        scheduler.set_timesteps(settings.steps)
    return scheduler


def _share(compute: Compute, number: int, count: int) -> Compute:
    """Return a compute whose progress is that of one part of several."""

    def progress(done: int, total: int, **numbers: float) -> None:
        compute.progress(number * total + done, count * total, **numbers)

    return replace(compute, progress=progress)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
