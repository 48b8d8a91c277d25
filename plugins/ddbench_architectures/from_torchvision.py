"""Every classification network of torchvision.

Rule for small images, the same for all convolutional networks: a strided first convolution becomes 3x3 of stride 1, and
the max-pool of the stem goes; later strides stay. Vision transformers are built for the image's size at their own
patch size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ddbench_architectures.fit import fit_stem, is_small
from ddbench_architectures.names import require
from ddbench_architectures.probe import sized
from ddbench_architectures.stock import refuse, stock

if TYPE_CHECKING:
    from torch import nn

    from ddbench.types import CheckTask, DatasetSpec


@dataclass(frozen=True)
class Torchvision:
    """Any classification network of torchvision, its stem fitted to small images.

    Source: torchvision.models, which cites the paper of each. ``resnet50`` and the other short names fit more than the
    stem; see ``ddbench ls``.

    Attributes:
        name: as ``torchvision.models.list_models`` gives it.
        stem: ``small`` (3x3, stride 1, no max-pool), ``imagenet`` (stock), or ``auto``: small at 64 pixels and less.
        pretrained: torchvision's default weights, of ImageNet-1K's 1000 classes; the ``pretrained`` teacher sets it.
    """

    version: ClassVar[int] = 1

    name: str
    stem: Literal["auto", "small", "imagenet"] = "auto"
    pretrained: bool = False

    def check(self, task: CheckTask) -> None:
        """Refuse an unknown name, and pretrained weights for data that they cannot score.

        Raises:
            UserError: with the nearest name that torchvision knows.
        """
        from torchvision import models

        require("torchvision", self.name, models.list_models(module=models))
        if self.pretrained:
            refuse(self.name, task.data, self.stem)

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes).

        Raises:
            UserError: if it cannot be built for images of that size.
        """
        with sized(f"torchvision/{self.name}", data) as probe:
            model = _drop_auxiliary(stock(self.name, data, pretrained=self.pretrained, **self._options(data)))
            small = is_small(self.stem, data.image_size) and not self.name.startswith("vit_")
            return probe(fit_stem(model, data.channels, small=small))

    def _options(self, data: DatasetSpec) -> dict[str, Any]:
        if self.name.startswith("vit_"):
            return {"image_size": data.image_size}
        if self.name.startswith("maxvit_"):
            return {"input_size": (data.image_size, data.image_size)}
        if self.name in {"googlenet", "inception_v3"}:
            # Their weights come with an input transform of their own: both forms have it, so that one can be loaded
            # into the other.
            drawn = {} if self.pretrained else {"init_weights": True}
            return {"transform_input": data.channels == 3, **drawn}
        return {}


def _drop_auxiliary(model: nn.Module) -> nn.Module:
    """Take the side classifiers off the Inception networks, which else return a tuple when they train."""
    if hasattr(model, "aux_logits"):
        model.aux_logits = False  # type: ignore[assignment]
    for name in ("aux1", "aux2", "AuxLogits"):
        if hasattr(model, name):
            setattr(model, name, None)
    return model
