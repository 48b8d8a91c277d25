"""Handing a diffusion model to diffusers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from ddbench.kit.diffusion import linear_alphas
from ddbench_diffusion_memory import pixels
from ddbench_diffusion_memory.autoencoder import Autoencoder
from ddbench_diffusion_memory.saved import INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from ddbench.kit.diffusion import Diffusion


def save(diffusion: Diffusion, folder: Path, class_names: Sequence[str]) -> None:
    """Write a folder that ``diffusers.DiTPipeline.from_pretrained`` and the generator ``folder`` read.

    Of a model of pixels, diffusers asks that ``ddbench_diffusion_memory.pixels`` be imported before.

    Args:
        diffusion: of one of this package's generators.
        folder: made where it is not there.
        class_names: one per class, in label order; the pipeline has them in ``labels``.
    """
    of_classes(diffusion, class_names).save_pretrained(folder)
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    index["id2label"] = _names(diffusion, class_names)  # diffusers reads it there, but does not write it
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def of_classes(diffusion: Diffusion, class_names: Sequence[str]) -> Any:
    """Return a ``diffusers.DiTPipeline`` around the model, which it shares; its sampler is DPM-Solver++."""
    from diffusers.pipelines.dit.pipeline_dit import DiTPipeline
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

    codec = diffusion.codec
    vae = codec.network if isinstance(codec, Autoencoder) else pixels.PixelAutoencoder()
    scheduler = DPMSolverMultistepScheduler(**_noise(diffusion.alphas_cumprod))
    return DiTPipeline(diffusion.network, vae, scheduler, _names(diffusion, class_names))


def _names(diffusion: Diffusion, class_names: Sequence[str]) -> dict[str, str]:
    told = diffusion.conditions.tolist()
    return {str(number): name for number, name in zip(told, class_names, strict=True)}


def _noise(alphas: Tensor) -> dict[str, Any]:
    linear = {"num_train_timesteps": len(alphas), "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
    if torch.equal(alphas.cpu(), linear_alphas(len(alphas))):
        return linear
    exact = alphas.cpu().double()
    betas = 1 - exact / torch.cat((exact.new_ones(1), exact[:-1]))
    return linear | {"trained_betas": betas.tolist()}
