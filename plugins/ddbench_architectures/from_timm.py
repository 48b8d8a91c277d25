"""Every network of timm.

Rules for small images. Convolutional networks: a strided first convolution becomes 3x3 of stride 1, and the max-pool of
the stem goes; later strides stay. Networks of a fixed input size (vision transformers and their kin): built for the
image's size, with patches of an eighth of it, so that there are 8x8 of them, where the network lets its patch size be
chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch

from ddbench.errors import UserError
from ddbench_architectures.fit import fit_stem, is_small
from ddbench_architectures.names import require
from ddbench_architectures.probe import sized
from ddbench_architectures.stock import disagree, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from ddbench.types import CheckTask, DatasetSpec

PATCHES = 8
"""Patches along each side of a small image: 64 tokens, patches of 4 pixels on CIFAR."""


@dataclass(frozen=True)
class Timm:
    """Any network of timm, fitted to the images.

    Source: Wightman, "PyTorch Image Models" (timm), which cites the paper of each.

    Attributes:
        name: as ``timm.list_models`` gives it; with a tag, ``resnet18.a1_in1k``, to choose among pretrained weights.
        stem: ``small`` (stem or patches fitted to the image), ``imagenet`` (stock), or ``auto``: small at 64 pixels and
            less.
        pretrained: timm's weights, for the classes that they know; the ``pretrained`` teacher sets it.
    """

    version: ClassVar[int] = 1

    name: str
    stem: Literal["auto", "small", "imagenet"] = "auto"
    pretrained: bool = False

    def check(self, task: CheckTask) -> None:
        """Refuse an unknown name or tag, and pretrained weights for data that they cannot score.

        Raises:
            UserError: with the nearest name that timm knows.
        """
        import timm

        require("timm", self.name.partition(".")[0], timm.list_models())
        published = _published(self.name)
        if self.pretrained:
            _refuse(self.name, published, task.data, self.stem)

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return the network: normalised images (B, C, H, W) to logits (B, num_classes).

        Raises:
            UserError: if it cannot be built for images of that size, or its weights cannot be fetched.
        """
        small = is_small(self.stem, data.image_size)
        with sized(f"timm/{self.name}", data) as probe:
            if _fixed_size(self.name):
                return probe(self._of_patches(data, small=small))
            model = self._create(data)
            return probe(fit_stem(model, data.channels, small=True) if small else model)

    def _of_patches(self, data: DatasetSpec, *, small: bool) -> nn.Module:
        for options in _sizes(data.image_size, small=small):
            try:
                return self._create(data, **options)
            except TypeError:  # it has no such option; the next ones are fewer
                continue
        return self._create(data)

    def _create(self, data: DatasetSpec, **options: Any) -> nn.Module:
        import timm

        try:
            return timm.create_model(  # type: ignore[no-any-return]
                self.name, self.pretrained, num_classes=data.num_classes, in_chans=data.channels, **options
            )
        except OSError as error:
            raise UserError(
                f"cannot load the weights of timm/{self.name}: {first_line(error)}; {_advice(self.name)}"
            ) from None


def _sizes(image_size: int, *, small: bool) -> Iterator[dict[str, int]]:
    if small:
        yield {"img_size": image_size, "patch_size": max(1, image_size // PATCHES)}
    yield {"img_size": image_size}


def _published(name: str) -> Any:
    """Return what timm knows of a name's weights, or None where there are none.

    Raises:
        UserError: if the name has a tag that timm does not know.
    """
    from timm.models import get_pretrained_cfg

    try:
        return get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UserError(f"timm/{name}: {first_line(error)} Leave the tag out, or take one that timm lists") from None


def _fixed_size(name: str) -> bool:
    published = _published(name)
    return published is not None and bool(published.fixed_input_size)


def _refuse(name: str, published: Any, data: DatasetSpec, stem: str) -> None:
    if published is None or not published.has_weights:
        raise UserError(f"timm has no pretrained weights for '{name}'; take another architecture or tag, or train it")
    disagree(f"timm/{name}", published.num_classes, data, stem)


def _advice(name: str) -> str:
    published = _published(name)
    if published.hf_hub_id:
        from huggingface_hub.constants import HF_HUB_CACHE

        return f"fetch the model {published.hf_hub_id} of the Hugging Face hub into {HF_HUB_CACHE}"
    return f"put {published.url} into {Path(torch.hub.get_dir()) / 'checkpoints'}"
