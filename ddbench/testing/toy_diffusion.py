"""The network of the toy generator: it knows the mean of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class MeanOfClass(nn.Module):
    """Knows that images are normal around the mean of their class, with one deviation; of no class, of all.

    Its estimate of the noise is the best there is for such images, so that what is sampled is just as they are.
    """

    deviation = 0.2

    def __init__(self, means: Tensor, alphas_cumprod: Tensor) -> None:
        super().__init__()
        classes, channels = means.shape[:2]
        self.means = nn.Embedding(classes + 1, means[0].numel())
        self.means.weight.data.copy_(torch.cat((means, means.mean(0, keepdim=True))).flatten(1))
        self.mix = nn.Conv2d(channels, channels, 1)
        nn.init.dirac_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]  # a convolution has a bias unless told otherwise
        self.register_buffer("abar", alphas_cumprod)

    def forward(
        self, noised: Tensor, timestep: Tensor, class_labels: Tensor, *, return_dict: bool = False
    ) -> tuple[Tensor]:
        """Return the estimate of the noise, in a tuple as diffusers does where no dictionary is wanted."""
        if return_dict:
            raise ValueError("the toy answers with a tuple: pass return_dict=False")
        assert isinstance(self.abar, torch.Tensor)
        abar = self.abar[timestep].view(-1, 1, 1, 1)
        mean = self.means(class_labels).view_as(noised)
        variance = abar * self.deviation**2 + 1 - abar  # of what is noised
        noise: Tensor = (self.mix(noised) - abar.sqrt() * mean) * (1 - abar).sqrt() / variance
        return (noise,)
