from __future__ import annotations

import copy
import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
import torch

from ddbench.kit import device, rng
from ddbench.kit.diffusion import Diffusion, Pixels, linear_alphas
from ddbench.testing.bench import Bench
from ddbench.types import LoadTask
from ddbench_diffusion_memory import pipeline, sampling, transformer
from ddbench_diffusion_memory.autoencoder import Autoencoder
from ddbench_diffusion_memory.folder import Folder

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

NAMES = ("wide stripes", "stripes, narrow", "none")
CLASSES = [2, 0, 1]
STEPS = 5

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # diffusers' schedulers under numpy 2
)


def model(**changes: Any) -> Diffusion:
    """Return a tiny model of 8x8 pixels with random weights."""
    with rng.seeded(0, "weights"):
        network = device.freeze(transformer.build(size=8, channels=1, width=16, heads=2, layers=2, patch_size=4))
    made = Diffusion(network, Pixels(), linear_alphas(), torch.arange(3), transformer.CLASSES, (1, 8, 8))
    return dataclasses.replace(made, **changes)


def of_latents() -> Diffusion:
    from diffusers import AutoencoderKL

    with rng.seeded(1, "weights"):
        network = AutoencoderKL(
            in_channels=1, out_channels=1, down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2, block_out_channels=(4, 4), layers_per_block=1,
            latent_channels=1, norm_num_groups=2, sample_size=16, scaling_factor=0.3,
        )  # fmt: skip
    return model(codec=Autoencoder(device.freeze(network)))


def stock(folder: Path) -> Any:
    from diffusers import DiTPipeline

    return DiTPipeline.from_pretrained(folder, local_files_only=True)


def samples(pipe: Any, guidance: float, seed: int = 0) -> Tensor:
    pipe.set_progress_bar_config(disable=True)
    lot = torch.Generator().manual_seed(seed)
    made: Tensor = pipe(
        CLASSES, guidance_scale=guidance, generator=lot, num_inference_steps=STEPS, output_type="pt"
    ).images
    return made


def loaded(folder: Path) -> Diffusion:
    return Folder(str(folder)).load(LoadTask(Bench().data, {}, torch.device("cpu")))


@pytest.mark.parametrize("make", [model, of_latents])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_stock_diffusers_makes_the_same_samples_of_the_saved_folder(make: Any, guidance: float, tmp_path: Path) -> None:
    ours = make()
    pipeline.save(ours, tmp_path, NAMES)
    made = samples(stock(tmp_path), guidance)
    assert made.shape == (3, 1, *((8, 8) if make is model else (16, 16)))
    assert torch.equal(made, samples(pipeline.of_classes(ours, NAMES), guidance))
    assert torch.equal(made, samples(pipeline.of_classes(loaded(tmp_path), NAMES), guidance))
    assert not torch.equal(made, samples(stock(tmp_path), guidance, seed=1))


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_stock_diffusers_samples_as_this_package_does(guidance: float, tmp_path: Path) -> None:
    ours = model()
    pipeline.save(ours, tmp_path, NAMES)
    noise = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    settings = sampling.Sampling(STEPS, guidance, 0, "dpm-solver", 50)
    latents = sampling.denoised(ours, noise, torch.tensor(CLASSES), [], settings, Bench().compute(0))
    expected = (ours.codec.decode(latents) / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(samples(stock(tmp_path), guidance), expected, rtol=0, atol=1e-3)


def test_stock_diffusers_knows_the_names_of_the_classes(tmp_path: Path) -> None:
    pipeline.save(model(conditions=torch.tensor([7, 5, 9])), tmp_path, ("cat", "dog", "tench, Tinca tinca"))
    assert stock(tmp_path).labels == {"cat": 7, "dog": 5, "tench": 9, "Tinca tinca": 9}


def test_saving_changes_nothing_in_the_model(tmp_path: Path) -> None:
    ours = model()
    before = copy.deepcopy(ours.network.state_dict())
    pipeline.save(ours, tmp_path, NAMES)
    assert not ours.network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in ours.network.state_dict().items())


def test_the_linear_schedule_is_saved_by_its_ends_and_read_to_the_same_bits(tmp_path: Path) -> None:
    pipeline.save(model(), tmp_path, NAMES)
    config = json.loads((tmp_path / "scheduler" / "scheduler_config.json").read_text())
    assert (config["beta_schedule"], config["beta_start"], config["beta_end"]) == ("linear", 1e-4, 0.02)
    assert torch.equal(loaded(tmp_path).alphas_cumprod, linear_alphas())


def test_any_other_schedule_is_saved_step_by_step(tmp_path: Path) -> None:
    alphas = (torch.linspace(0.99, 0.1, 200, dtype=torch.float64) ** 2).float()
    pipeline.save(model(alphas_cumprod=alphas), tmp_path, NAMES)
    torch.testing.assert_close(loaded(tmp_path).alphas_cumprod, alphas, rtol=1e-4, atol=0)


def test_a_name_for_every_class_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="argument"):
        pipeline.save(model(), tmp_path, NAMES[:2])
