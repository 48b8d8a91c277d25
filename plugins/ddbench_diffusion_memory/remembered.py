"""What the memories of a fine-tuning hold in the end."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from ddbench_diffusion_memory.tuning import MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from ddbench.types import DatasetSpec, DiagnosticTask


@dataclass(frozen=True)
class Remembered:
    """How alike, how old and how noisy the latents are that ``diffusion-memory`` remembers in the end.

    Li et al., "Diversity-Driven Generative Dataset Distillation Based on Diffusion Model with Self-Adaptive Memory"
    (ICIP 2025), let the most alike leave the memories, Gu et al. (CVPR 2024) the oldest: the first makes for less alike
    memories, and for older ones, of estimates at later, noisier timesteps. NaN for sets without memories.
    """

    version: ClassVar[int] = 1
    uses_teacher: ClassVar[bool] = False

    def measure(self, task: DiagnosticTask) -> Mapping[str, float]:
        """Return of the memory of real latents and of the generated ones, means over classes and per class.

        ``cosine_real`` and ``cosine_generated``: mean cosine of two latents of a class, in [-1, 1]. ``age_real`` and
        ``age_generated``: iterations since an entry came. ``timestep_generated``: of the diffusion, at which an entry
        was estimated.
        """
        data = task.distilled.data
        found: dict[str, float] = {}
        for which in ("real", "generated"):
            held = _held(task.state, which)
            found |= _by_class(f"cosine_{which}", mean_cosine, held["directions"], held["classes"], data)
            found |= _by_class(f"age_{which}", _mean, held["ages"], held["classes"], data)
        found |= _by_class("timestep_generated", _mean, held["timesteps"], held["classes"], data)
        task.compute.progress(1, 1)
        return found


def mean_cosine(vectors: Tensor) -> float:
    """Return the mean cosine of two different ones of vectors (n, d) of length 1; NaN of fewer than two.

    All pairs together are the square of the sum of the vectors, less each with itself.
    """
    count, vectors = len(vectors), vectors.double()
    if count < 2:
        return math.nan
    return float(vectors.sum(0).square().sum() - vectors.square().sum()) / (count * (count - 1))


def _mean(values: Tensor) -> float:
    return float(values.double().mean())  # of none, NaN


def _held(state: Mapping[str, Tensor], which: str) -> dict[str, Tensor]:
    """Return what a memory holds, less what waits for the end of an epoch; ``ages`` in iterations."""
    prefix = f"{MEMORY}{which}/"
    held = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
    if not held:
        nothing = torch.zeros(0)
        return {"directions": nothing, "ages": nothing, "timesteps": nothing, "classes": nothing}
    held["ages"] = state["iterations"] - 1 - held["iterations"]
    return {name: values[~held["waiting"]] for name, values in held.items()}


def _by_class(
    name: str, measure: Callable[[Tensor], float], values: Tensor, classes: Tensor, data: DatasetSpec
) -> dict[str, float]:
    """Return a measure of each class, ``name/class``, and under ``name`` their mean: NaN if any of them is."""
    each = [measure(values[classes == label]) for label in range(data.num_classes)]
    twice = Counter(data.class_names)
    labels = [f"{label} ({at})" if twice[label] > 1 else label for at, label in enumerate(data.class_names)]
    return {
        name: sum(each) / len(each),
        **{f"{name}/{label}": value for label, value in zip(labels, each, strict=True)},
    }
