"""Diffusion-memory (Li et al., ICIP 2025, arXiv 2505.19469) and Minimax (Gu et al., CVPR 2024), on which it builds."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Ge, Gt, Le, Lt

from ddbench.errors import UserError
from ddbench_diffusion_memory import extras, sampling, tuning
from ddbench_diffusion_memory.memory import Policy, Update  # noqa: TC001 - fields' types are read where they are checked
from ddbench_diffusion_memory.sampling import Sampling, Scheduler
from ddbench_diffusion_memory.tuned import Tuned  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from ddbench.kit.diffusion import Diffusion
    from ddbench.types import Batch, CheckTask, PrepareTask, SynthesisTask

_AFTERWARDS = ("generator", *Sampling.__dataclass_fields__)
_UNSEEN = ("gradient_checkpointing",)
_OF_MEMORIES = ("lambda_real", "lambda_gen", "real_memory_size", "gen_memory_size", "update", "max_timestep")


@dataclass(frozen=True)
class DiffusionMemory:
    """Samples of a diffusion model that was tuned against two memories, of real and of generated latents.

    Source: Li et al., "Diversity-Driven Generative Dataset Distillation Based on Diffusion Model with Self-Adaptive
    Memory", ICIP 2025, arXiv 2505.19469, on top of Gu et al., "Efficient Dataset Distillation via Minimax Diffusion",
    CVPR 2024, arXiv 2311.15529. Defaults are what the released code of both ran with on ImageNet's subsets of ten
    classes; the losses are the formulas, each class once, where the later code adds up running sums. The paper
    updates memories "after each epoch", its code after each iteration, which is the default here.

    Attributes:
        memory: what leaves a full memory: ``self-adaptive`` (the paper), what is most like the rest; ``fifo``
            (Minimax), the oldest; ``none`` for no memories: the diffusion loss alone.
        lambda_real: weight of L_real = 1 - min cos(generated, remembered real).
        lambda_gen: weight of L_gen = max cos(generated, remembered generated).
        real_memory_size: N_R, real latents remembered of each class.
        gen_memory_size: N_G, generated ones.
        update: when memories change: every ``iteration`` (code), or at the end of every ``epoch`` (paper's caption of
            Figure 2), which leaves them empty during the first.
        max_timestep: only items noised to an earlier step enter losses and memories; 0 for all, as in the code. Late
            estimates are near to random directions.
        tuned: ``bias``: biases and class embeddings, near to the code's DiffFit; ``lora``: low-rank adapters of the
            attention's projections, by peft; ``all``.
        lora_rank: of the adapters; in no paper.
        learning_rate: AdamW's, constant, without weight decay.
        epochs: passes over the training images; a last batch that is not full is left out.
        batch_size: images per iteration.
        max_iterations: where tuning ends at the latest: the code samples its checkpoint of iteration 12,000.
        label_dropout: share of items whose class the network is not told, for guidance.
        ema_decay: of the moving average of the tuned weights, which is what is sampled.
        flip: mirror every second image.
        gradient_checkpointing: compute activations twice instead of keeping them, to save memory.
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

    memory: Policy | None = "self-adaptive"
    lambda_real: Annotated[float, Ge(0)] = 0.002
    lambda_gen: Annotated[float, Ge(0)] = 0.008
    real_memory_size: Annotated[int, Ge(1)] = 64
    gen_memory_size: Annotated[int, Ge(1)] = 64
    update: Update = "iteration"
    max_timestep: Annotated[int, Ge(0), Lt(1000)] = 0
    tuned: Tuned = "bias"
    lora_rank: Annotated[int, Ge(1)] = 8
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    epochs: Annotated[int, Ge(1)] = 8
    batch_size: Annotated[int, Ge(1)] = 8
    max_iterations: Annotated[int, Ge(1)] = 12000
    label_dropout: Annotated[float, Ge(0), Lt(1)] = 0.1
    ema_decay: Annotated[float, Ge(0), Lt(1)] = 0.9999
    flip: bool = True
    gradient_checkpointing: bool = False
    guidance: Annotated[float, Ge(1)] = 4.0
    guided_channels: Annotated[int, Ge(0)] = 0
    steps: Annotated[int, Ge(2), Le(1000)] = 50
    scheduler: Scheduler = "ddpm"
    images_at_once: Annotated[int, Ge(1)] = 50
    generator: str = "scratch"

    def check(self, task: CheckTask) -> None:
        """Refuse a plan for which a package or images for one batch are missing."""
        extras.require("diffusers", "diffusion", "synthesizer 'diffusion-memory'")
        if self.tuned == "lora":
            extras.require("peft", "lora", "tuned=lora of synthesizer 'diffusion-memory'")
        images = task.data.sizes["train"]
        if images < self.batch_size:
            raise UserError(
                f"batch_size = {self.batch_size}, but {task.data.name} has {images} training images: "
                f"set batch_size to {images} or less"
            )

    def identity(self) -> Mapping[str, object]:
        """Return what decides the images: one name for both methods, and nothing that is idle."""
        return {"name": "diffusion-memory", **self.prepare_identity(), **Sampling.of(self).identity()}

    def prepare_identity(self) -> Mapping[str, object]:
        """Return what decides the tuned weights and the memories."""
        idle = {*_AFTERWARDS, *_UNSEEN}
        idle |= {"lora_rank"} if self.tuned != "lora" else set()
        idle |= set(_OF_MEMORIES) if self.memory is None else set()
        return {name: value for name, value in vars(self).items() if name not in idle}

    def prepare(self, task: PrepareTask) -> Mapping[str, Tensor]:
        """Fine-tune the generator: min over theta of L_diff + lambda_real L_real + lambda_gen L_gen."""
        model = task.generator()
        Sampling.of(self).check(model)  # rather now than when the hours of tuning are over
        return tuning.tune(self, model, task)

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        """Yield one sample of every class for each index."""
        yield from sampling.draw(self.prepared(task.generator(), task.state), task, Sampling.of(self))

    def prepared(self, model: Diffusion, state: Mapping[str, Tensor]) -> Diffusion:
        """Return a generator's model, in place, with the weights that ``prepare`` gave."""
        tuning.load(model.network, state)
        return model

    def iterations(self, images: int) -> int:
        """Return how many steps tuning takes on so many training images."""
        return min(self.epochs * (images // self.batch_size), self.max_iterations)


@dataclass(frozen=True)
class Minimax(DiffusionMemory):
    """Samples of a diffusion model that was tuned against two memories, which forget the oldest first.

    Source: Gu et al., "Efficient Dataset Distillation via Minimax Diffusion", CVPR 2024, arXiv 2311.15529: the method
    on which ``diffusion-memory`` builds, and equal to it with ``memory=fifo``. Where settings are equal, so are keys.
    """

    memory: Policy | None = "fifo"


def _attributes(target: type) -> str:
    return "Attributes:\n" + (inspect.getdoc(target) or "").partition("Attributes:\n")[2]


Minimax.__doc__ = f"{inspect.getdoc(Minimax)}\n\n{_attributes(DiffusionMemory)}"
