"""The diffusion model as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Ge, Le

from ddbench_diffusion_memory import extras, sampling
from ddbench_diffusion_memory.sampling import Sampling, Scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ddbench.types import Batch, CheckTask, SynthesisTask


@dataclass(frozen=True)
class Dit:
    """Samples of a diffusion model that was not tuned: the row "DiT" of the papers' tables.

    Source: Peebles and Xie, "Scalable Diffusion Models with Transformers", ICCV 2023, as a baseline of Gu et al.,
    "Efficient Dataset Distillation via Minimax Diffusion", CVPR 2024, whose way of sampling the defaults are.

    Attributes:
        guidance: scale of classifier-free guidance; 1 is without.
        guided_channels: how many channels of the latents it moves, from the first; 0 for all. DiT's code moves 3 of 4.
        steps: of the sampler.
        scheduler: the sampler: ``ddpm``, as in the code, ``ddim`` or ``dpm-solver``.
        images_at_once: sampled in one batch; no image depends on it, but for rounding.
        generator: the diffusion model.
    """

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = False
    uses_generator: ClassVar[bool] = True

    guidance: Annotated[float, Ge(1)] = 4.0
    guided_channels: Annotated[int, Ge(0)] = 0
    steps: Annotated[int, Ge(2), Le(1000)] = 50
    scheduler: Scheduler = "ddpm"
    images_at_once: Annotated[int, Ge(1)] = 50
    generator: str = "scratch"

    def check(self, task: CheckTask) -> None:  # noqa: ARG002 - no data set is refused
        """Refuse a plan for which diffusers is missing."""
        extras.require("diffusers", "diffusion", "synthesizer 'dit'")

    def identity(self) -> Mapping[str, object]:
        """Return what decides the images."""
        return Sampling.of(self).identity()

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        """Yield one sample of every class for each index."""
        yield from sampling.draw(task.generator(), task, Sampling.of(self))
