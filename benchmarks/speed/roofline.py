"""Prints how near recover comes to what the device can do: its share of the measured matrix peak, and a profile.

One iteration's FLOP are counted by torch, a multiplication and an addition as two; batch norm, statistics and Adam are
not among them. The peak is that of a large square product in the same precision, measured here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.measure import alternate, as_in_a_stage, described, network, no_progress
from ddbench.kit import inversion, rng
from ddbench.types import Compute, Precision

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 15  # of the profile


def peak(compute: Compute, side: int, repeats: int) -> float:
    """Return FLOP per second of a product of two square matrices, at best."""
    dtype = torch.bfloat16 if compute.precision == "bfloat16" else torch.float32
    left, right = (torch.randn(side, side, device=compute.device).to(dtype) for _ in range(2))
    times = 10

    def block() -> None:
        for _ in range(times):
            torch.mm(left, right)

    [figure] = alternate(compute.device, repeats, block)
    return 2.0 * times * side**3 / figure.seconds


def bandwidth(compute: Compute, repeats: int) -> float:
    """Return bytes per second of a copy, read and written."""
    source = torch.empty(2**28, dtype=torch.uint8, device=compute.device)
    there = torch.empty_like(source)
    [figure] = alternate(compute.device, repeats, lambda: there.copy_(source))
    return 2.0 * source.nbytes / figure.seconds


def recovering(compute: Compute, architecture: str, size: int, batch: int) -> Callable[[int], None]:
    """Return a function that does so many iterations of SRe2L's recover, jitter, flip and crop as on ImageNet."""
    data = described(size, 3, batch)
    model, start = network(architecture, data), torch.randn(batch, 3, size, size, generator=rng.generator(0))
    settings = inversion.Inversion(1, 0.25, 0.01, 0.01, batch_size=batch, jitter=32 * size // 224, flip=True, crop=True)
    part = inversion.Part(0, torch.arange(batch), compute)

    def iterate(iterations: int) -> None:
        with as_in_a_stage(compute.device):
            inversion.invert(model, start, part, data, replace(settings, iterations=iterations))

    return iterate


@click.command()
@click.option("--device", "name", default="cuda", show_default=True)
@click.option("--precision", default="bfloat16", type=click.Choice(["float32", "bfloat16"]), show_default=True)
@click.option("--architecture", default="resnet18", show_default=True)
@click.option("--size", default=224, show_default=True, help="Height and width in pixels.")
@click.option("--batch", default=100, show_default=True)
@click.option("--iterations", default=200, show_default=True)
@click.option("--side", default=8192, show_default=True, help="Of the matrices whose product gives the peak.")
@click.option("--repeats", default=3, show_default=True)
def main(  # noqa: PLR0913, PLR0917 - as many as there are options
    name: str, precision: Precision, architecture: str, size: int, batch: int, iterations: int, side: int, repeats: int
) -> None:
    """Print roofline and profile."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32  # the peak is of what convolutions use
    compute = Compute(torch.device(name), precision, 0, no_progress, note=print)
    iterate = recovering(compute, architecture, size, batch)
    with FlopCounterMode(display=False) as counter:
        iterate(1)
    flop = counter.get_total_flops()
    [figure] = alternate(compute.device, repeats, lambda: iterate(iterations))
    seconds, most, copied = figure.seconds / iterations, peak(compute, side, repeats), bandwidth(compute, repeats)
    balance = most / copied
    print(f"recover, {architecture}, {size} pixels, batch {batch}, {precision}, torch {torch.__version__}, {name}")
    print(
        f"iteration        {seconds * 1e3:10.2f} ms, peak memory {figure.peak / 1e9:.2f} GB, capture and start included"
    )
    print(f"arithmetic       {flop / 1e9:10.1f} GFLOP, {flop / seconds / 1e12:.2f} TFLOP/s")
    print(f"matrix peak      {most / 1e12:10.2f} TFLOP/s: {100 * flop / seconds / most:.1f} % of it used")
    print(
        f"memory           {copied / 1e9:10.1f} GB/s copied: what does less than {balance:.0f} FLOP a byte waits for it"
    )
    _profiled(lambda: iterate(max(2, iterations // 4)), compute.device)


def _profiled(block: Callable[[], None], where: torch.device) -> None:
    """Print which kernels take the time."""
    on_cuda = where.type == "cuda"
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]) as watched:
        block()
    order = "self_cuda_time_total" if on_cuda else "self_cpu_time_total"
    print(watched.key_averages().table(sort_by=order, row_limit=ROWS, max_name_column_width=60))


if __name__ == "__main__":
    main()
