"""Prints what a step of fine-tuning and a sample take at the sizes of the DiT paper, with random weights.

Latents are random as well: they are computed once and kept, so that encoding is not in a step. FLOP are counted by
torch on such a step, a multiplication and an addition as two.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.measure import alternate, no_progress
from ddbench.kit import device, rng
from ddbench.kit.diffusion import Diffusion, Pixels, linear_alphas
from ddbench.testing import toys
from ddbench.types import Compute, Place, Precision, PrepareTask
from ddbench_diffusion_memory import sampling, transformer
from ddbench_diffusion_memory.autoencoder import Autoencoder
from ddbench_diffusion_memory.sampling import Sampling
from ddbench_diffusion_memory.synthesizer import DiffusionMemory
from ddbench_diffusion_memory.tuning import Tuning

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = {"S": (12, 6, 64), "B": (12, 12, 64), "L": (24, 16, 64), "XL": (28, 16, 72)}  # layers, heads, width of a head
LATENTS = (4, 32, 32)  # of 256 pixels
CLASSES = 10


@dataclass(frozen=True)
class Row:
    """What was measured: median seconds, bytes at the peak, and FLOP."""

    name: str
    seconds: float
    peak: int
    flop: int

    def __str__(self) -> str:
        rate = f"{self.flop / 1e9:10,.0f} GFLOP {self.flop / self.seconds / 1e12:8.2f} TFLOP/s" if self.flop else ""
        return f"{self.name:38} {self.seconds * 1e3:10.1f} ms {self.peak / 2**30:8.2f} GiB {rate}"


def model(shape: str, where: torch.device) -> Diffusion:
    """Return a DiT of patch 2 with random weights, which also estimates a variance, as the published ones do."""
    from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

    layers, heads, width = SHAPES[shape]
    channels, size, _ = LATENTS
    with rng.seeded(0, "weights"), torch.device(where):
        network = DiTTransformer2DModel(
            num_attention_heads=heads,
            attention_head_dim=width,
            in_channels=channels,
            out_channels=2 * channels,
            num_layers=layers,
            sample_size=size,
        )
    network = device.freeze(transformer.without_label_dropout(network))
    return Diffusion(network, Pixels(), linear_alphas(), torch.arange(CLASSES), transformer.CLASSES, LATENTS)


def measured(name: str, where: torch.device, repeats: int, block: Callable[[], object]) -> Row:
    """Run a block some times, and once more to count."""
    [figure] = alternate(where, repeats, block)
    with FlopCounterMode(display=False) as counter:
        block()
    return Row(name, figure.seconds, figure.peak, counter.get_total_flops())


def images(count: int) -> toys.ToyExamples:
    """Return noise in the place of images, of all classes in turn."""
    pixels = torch.randint(256, (count, *LATENTS), generator=rng.generator(0, "images"), dtype=torch.uint8)
    return toys.ToyExamples(pixels, torch.arange(count) % CLASSES)


def tuning(shape: str, method: DiffusionMemory, compute: Compute, repeats: int) -> Row:
    """One step of fine-tuning, memories and average included."""
    data = toys.ToyDataset(CLASSES, LATENTS[1], LATENTS[0]).spec(Place(Path(), Path()))
    with tempfile.TemporaryDirectory() as folder:
        task = PrepareTask(
            data,
            images(10 * method.batch_size),
            torch.nn.Identity,
            compute,
            Path(folder),
            Path(folder),
        )
        steps = iter(range(1 << 30))
        course = Tuning(method, model(shape, compute.device), task)
        name = f"tuning step, {method.tuned}, batch {method.batch_size}"
        return measured(name, compute.device, repeats, lambda: course.step(next(steps)))


def call(shape: str, count: int, compute: Compute, repeats: int) -> Row:
    """One guided call of the network for some images at once; a sample of 50 steps takes 50."""
    diffusion, settings = model(shape, compute.device), Sampling(2, 4.0, 3, "ddim", count)
    noise = torch.randn(count, *LATENTS, generator=rng.generator(0))
    run = partial(sampling.denoised, diffusion, noise, torch.arange(count) % CLASSES, [], settings, compute)
    row = measured(f"guided call of the sampler, {count} images", compute.device, repeats, run)
    return Row(row.name, row.seconds / 2, row.peak, row.flop // 2)


def decoding(count: int, compute: Compute, repeats: int) -> Row:
    """Stable Diffusion's autoencoder makes images of 256 pixels of latents."""
    from diffusers import AutoencoderKL

    widths = (128, 256, 512, 512)
    down, up = ("DownEncoderBlock2D",) * len(widths), ("UpDecoderBlock2D",) * len(widths)
    with rng.seeded(0, "weights"), torch.device(compute.device):
        network = AutoencoderKL(
            down_block_types=down, up_block_types=up, block_out_channels=widths, layers_per_block=2, latent_channels=4
        )
    codec = Autoencoder(device.freeze(network))
    latents = torch.randn(count, *LATENTS, generator=rng.generator(0)).to(compute.device)

    @torch.no_grad()
    def block() -> torch.Tensor:
        return codec.decode(latents)

    return measured(f"decoding, {count} images", compute.device, repeats, block)


@click.command()
@click.option("--device", "name", default="cpu", show_default=True)
@click.option("--shape", default="XL", type=click.Choice(list(SHAPES)), show_default=True, help="DiT-<shape>/2.")
@click.option("--precision", default="float32", type=click.Choice(["float32", "bfloat16"]), show_default=True)
@click.option("--tf32", is_flag=True, help="Let a GPU round the factors of float32 products, as the papers' code did.")
@click.option("--batch", "batches", default="8", show_default=True, help="Images in a tuning step: 8,32,64.")
@click.option("--images", default=10, show_default=True, help="Sampled at once.")
@click.option("--tuned", default="bias", type=click.Choice(["bias", "lora", "all"]), show_default=True)
@click.option("--repeats", default=5, show_default=True)
def main(  # noqa: PLR0913 - as many as there are options
    name: str, shape: str, precision: Precision, *, tf32: bool, batches: str, images: int, tuned: str, repeats: int
) -> None:
    """Print time, peak memory and FLOP."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    compute = Compute(torch.device(name), precision, 0, no_progress)
    print(
        f"torch {torch.__version__}, {name}, {precision}{', TF32' if tf32 else ''}, DiT-{shape}/2, median of {repeats}"
    )
    for batch in map(int, batches.split(",")):
        method = DiffusionMemory(batch_size=batch, tuned=tuned)  # type: ignore[arg-type]  # click has checked the word
        print(tuning(shape, method, compute, repeats))
    print(call(shape, images, compute, repeats))
    print(decoding(images, compute, repeats))


if __name__ == "__main__":
    main()
