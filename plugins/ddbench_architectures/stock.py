"""Networks as torchvision ships them, with random or with pretrained weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ddbench.errors import UserError
from ddbench_architectures.fit import SMALL, fit_stem, is_small

if TYPE_CHECKING:
    from torch import nn

    from ddbench.types import DatasetSpec


def stock(name: str, data: DatasetSpec, *, pretrained: bool, **options: Any) -> nn.Module:
    """Return torchvision's network of that name with ``data.num_classes`` outputs and ``data.channels`` inputs.

    Args:
        name: as ``torchvision.models.list_models`` gives it.
        data: what the images are.
        pretrained: load torchvision's default weights of the network; ``refuse`` has been asked before.
        options: passed to torchvision's builder.

    Raises:
        UserError: if the weights cannot be fetched.
    """
    from torchvision.models import get_model

    if pretrained:
        return _with_weights(name, **options)
    model: nn.Module = get_model(name, weights=None, num_classes=data.num_classes, **options)
    return fit_stem(model, data.channels, small=False)


def refuse(name: str, data: DatasetSpec, stem: str) -> None:
    """Refuse torchvision's default weights for data that they cannot score.

    Raises:
        UserError: if the network has none, the network takes its small form, or the data have other classes or
            channels.
    """
    disagree(f"torchvision/{name}", len(_weights(name).meta["categories"]), data, stem)


def disagree(title: str, num_classes: int, data: DatasetSpec, stem: str) -> None:
    """Refuse pretrained weights of so many classes, of colour images and the stock form, where the data differ.

    Raises:
        UserError: with what differs.
    """
    if num_classes != data.num_classes:
        differs = f"know {num_classes} classes, '{data.name}' has {data.num_classes}"
    elif data.channels != 3:
        differs = f"take colour images, those of '{data.name}' are grey"
    elif is_small(stem, data.image_size):
        differs = f"need the stock network, which images of {SMALL} pixels and less get with stem=imagenet alone"
    else:
        return
    raise UserError(f"the pretrained weights of {title} {differs}; change that, or train the teacher: train[...]")


def first_line(error: Exception) -> str:
    """Return the first line of what an exception says, or its name where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _weights(name: str) -> Any:
    from torchvision.models import get_model_weights

    published = list(get_model_weights(name))
    if not published:
        raise UserError(f"torchvision has no pretrained weights for '{name}'; take another architecture, or train it")
    return get_model_weights(name).DEFAULT


def _with_weights(name: str, **options: Any) -> nn.Module:
    from torchvision.models import get_model

    weights = _weights(name)
    try:
        return get_model(name, weights=weights, **options)  # type: ignore[no-any-return]
    except (OSError, RuntimeError, ValueError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise UserError(
            f"cannot load the weights of torchvision/{name}: {first_line(error)}; put {weights.url} into {folder}"
        ) from None
