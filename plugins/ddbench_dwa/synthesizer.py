"""DWA: diversity by directed weight adjustment (Du, Zhang, Hu, Huang and Zhou, NeurIPS 2024, arXiv 2409.17612)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from ddbench.kit import device, inversion, pixels, select
from ddbench.types import Batch
from ddbench_dwa.ascent import climb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddbench.types import CheckTask, Effort, EffortTask, SynthesisTask


@dataclass(frozen=True)
class DWA:
    """Real images optimised against a teacher whose weights first climbed their loss, each ipc index its own way.

    Source: Du et al., "Diversity-Driven Synthesis: Enhancing Dataset Distillation through Directed Weight
    Adjustment", NeurIPS 2024, arXiv 2409.17612. Defaults are those of its CIFAR-100 column (Table 6); recipes hold
    the other data sets. Where paper and code differ, the default is what produced the published numbers, less what
    are plainly bugs of the code: a gradient left over from the last class chunk, and image gradients of the K
    ascent steps that reach Adam's first step. At bfloat16 the weights are rounded more coarsely than the
    adjustment moves them (its K steps are always taken in float32): prefer float32.

    Attributes:
        steps: K, ascent steps on the weights. The paper says 12 for all data sets, the ImageNet-1K script 15.
        rho: length of the adjustment; "15e^{-3}" in Table 6 is 0.015.
        gradient: ``normalised`` (code): every step has length rho / K, over all parameters together; ``raw``
            (Algorithm 1, line 7): rho / K times the gradient of the summed loss.
        statistics_on: the network whose batch-norm distances are matched: ``perturbed`` (code, one forward pass) or
            ``original`` (Eq. 15, a second pass).
        accumulate: let the adjustment of one class chunk stand while the next climbs, as the code does where an
            index has several chunks (ImageNet-1K); the paper has one that starts from 0.
        iterations: Adam steps per batch.
        learning_rate: Adam's at the first step; it falls along half a cosine.
        lambda_mean: weight of the means' distances, un-squared L2 norms (Eq. 3, Eq. 15).
        lambda_var: weight of the variances' distances. Tables 6 to 8 list 11, 11, 2: a ratio that the code
            multiplies by lambda_mean, hence 0.11, 0.11, 0.02, as the text says.
        first_weight: factor on the first batch-norm layer's term; in the code, not in the paper.
        batch_size: classes optimised together, one image each.
        jitter: greatest circular shift per iteration, in pixels; in the code, not in the paper.
        two_sided_jitter: shifts to both sides; the code shifts right and down only.
        crop: one random crop (8 to 100 % of the area) per iteration and batch, resized back.
        flip: one mirror decision per iteration and batch.
        jpeg_quality: store through JPEG, chroma at half resolution; ``none`` is lossless. The scripts save at
            Pillow's default, 75, so the published numbers hold its losses and the paper recipes ask for it.
    """

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = True

    steps: Annotated[int, Gt(0)] = 12
    rho: Annotated[float, Ge(0)] = 0.015
    gradient: Literal["normalised", "raw"] = "normalised"
    statistics_on: Literal["perturbed", "original"] = "perturbed"
    accumulate: bool = False
    iterations: Annotated[int, Gt(0)] = 1000
    learning_rate: Annotated[float, Gt(0)] = 0.25
    lambda_mean: Annotated[float, Ge(0)] = 0.01
    lambda_var: Annotated[float, Ge(0)] = 0.11
    first_weight: Annotated[float, Ge(0)] = 10.0
    batch_size: Annotated[int, Gt(0)] = 100
    jitter: Annotated[int, Ge(0)] = 4
    two_sided_jitter: bool = False
    crop: bool = False
    flip: bool = False
    jpeg_quality: Annotated[int, Ge(1), Le(95)] | None = None

    def check(self, task: CheckTask) -> None:
        """Refuse an ipc that is larger than the smallest class: every image starts from a real one."""
        select.require_real_images(task)

    def effort(self, task: EffortTask) -> Effort:
        """Return what an index takes."""
        return inversion.effort(self, task, climbs=self.steps)

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        """Yield one image of every class for each index (Algorithm 1)."""
        settings = inversion.Inversion.of(self)
        original = task.teacher() if self.statistics_on == "original" else None
        for part in inversion.parts(task, self.batch_size):
            if part.opens_index or not self.accumulate:
                adjusted = task.teacher()
            real = pixels.normalise(select.real_images(task, part.index, part.classes), task.data)
            start = device.place_images(real, part.compute.device)
            # Delta = argmax of L_B(theta + Delta) in K steps (Eq. 11), on the batch as the first iteration sees it.
            first_view = settings.view(start, part.compute.seed, iteration=0)
            labels = part.classes.to(start.device)
            how, parts = self.gradient, part.compute.parts
            climb(adjusted, first_view, labels, steps=self.steps, rho=self.rho, gradient=how, parts=parts)
            # argmin over S of  l(theta + Delta; S) + lambda_mean * L_mean(S) + lambda_var * L_var(S)  (Eq. 15)
            images = inversion.invert(adjusted, start, part, task.data, settings, norm_model=original)
            yield Batch(images, part.classes)
