"""What stands for the autoencoder of a model of pixels where diffusers asks for one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

STAND_IN = "PixelAutoencoder"


@cache
def _stand_in() -> Any:
    """Define the class that diffusers asks for; this module has it as ``PixelAutoencoder``.

    It is made on demand, since diffusers, which takes seconds to import and may be missing, has its parents.
    """
    from diffusers.configuration_utils import ConfigMixin, register_to_config
    from diffusers.models.autoencoders.vae import DecoderOutput
    from diffusers.models.modeling_utils import ModelMixin

    class PixelAutoencoder(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers carries no types
        """Stands where a pipeline of latents has its autoencoder."""

        @register_to_config  # type: ignore[untyped-decorator]  # diffusers carries no types
        def __init__(self, scaling_factor: float = 1.0) -> None:  # noqa: ARG002 - diffusers keeps it in the config
            super().__init__()
            self.register_buffer("nothing", torch.zeros(1))  # diffusers asks a model for its type and device

        def decode(self, latents: Tensor) -> Any:
            """Return the latents, wrapped as diffusers does it."""
            return DecoderOutput(sample=latents)

    PixelAutoencoder.__module__, PixelAutoencoder.__qualname__ = __name__, STAND_IN
    return PixelAutoencoder


def __getattr__(name: str) -> Any:
    if name == STAND_IN:
        return _stand_in()
    if name == "ModelMixin":  # diffusers looks here for the parent that says how the stand-in is loaded
        return _stand_in().__mro__[1]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
