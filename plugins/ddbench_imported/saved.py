"""Images and labels in ``.pt`` files, as DC, DM and MTT save them."""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ddbench.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = (".pt", ".pth")
PAIR = ("images_best.pt", "labels_best.pt")
"""The two files in which MTT keeps a set."""

_IMAGES, _LABELS, _SOFT = ("images", "image", "x"), ("labels", "label", "targets", "y"), ("soft_labels", "logits")
_REPEATED = 4  # times: grey images may have been expanded to three channels
_EXPECTED = "expected images and labels: a pair, a dictionary of both, or {'data': [[images, labels], ...]}"


@dataclass(frozen=True, eq=False)
class Parts:
    """Images (N, C, H, W), class numbers int64 (N,), and soft labels (N, columns) where there are any."""

    images: Tensor
    labels: Tensor
    soft: Tensor | None


def read(paths: tuple[Path, ...], experiment: int | None) -> Parts:
    """Read a set from one file, or from that of the images and that of the labels.

    DC and DM save ``{"data": [[images, labels], ...]}``, one pair an experiment; ``experiment`` chooses one. Labels of
    floating type, (N, columns), are soft labels, and each image's class is the largest of its row.

    Raises:
        UserError: a file cannot be read, would run code, or holds something else than images and labels.
    """
    found = tuple(map(_load, paths))
    return _parts(found if len(paths) > 1 else found[0], str(paths[0]), experiment)


def _load(path: Path) -> Any:
    """Read a file without running anything that it holds; tensors stay on disk where the format lets them."""
    try:
        with torch.serialization.safe_globals(_scalars()):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} holds more than tensors, and reading it could run code: save images and labels alone, as tensors"
        ) from None
    except Exception as error:  # noqa: BLE001 - torch raises a dozen kinds for a damaged file
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path} cannot be read ({reason}): is it a whole file of torch.save?") from None


def _scalars() -> list[Any]:
    """Return what NumPy's numbers are made of, in which DC keeps accuracies beside the images: plain data, no code."""
    multiarray = getattr(np, "_core", None) or np.core  # NumPy 1 has no _core
    scalar = multiarray.multiarray.scalar
    named = [(scalar, f"numpy.{module}.multiarray.scalar") for module in ("core", "_core")]
    return [*named, np.dtype, *(type(np.dtype(kind)) for kind in ("float32", "float64", "int32", "int64"))]


def _parts(found: Any, where: str, experiment: int | None) -> Parts:
    if isinstance(found, dict) and isinstance(found.get("data"), list):
        found = _chosen(found["data"], where, experiment)
    elif experiment is not None:
        raise UserError(f"{where} holds one set, no experiments: leave experiment= out")
    if isinstance(found, dict):
        images, labels, soft = (_named(found, names) for names in (_IMAGES, _LABELS, _SOFT))
    else:
        images, labels, soft = (*found, None) if isinstance(found, list | tuple) and len(found) == 2 else (None,) * 3
    if not isinstance(images, Tensor) or images.ndim != 4 or not images.numel():
        raise UserError(f"{where} holds no images of shape (N, channels, H, W): {_EXPECTED}")
    if not all(_is_held(each) for each in (images, labels, soft) if isinstance(each, Tensor)):
        raise UserError(f"{where} claims more numbers than it holds: save plain tensors, after .clone()")
    return Parts(images.detach(), *_told(labels, soft, len(images), where))


def _is_held(tensor: Tensor) -> bool:
    """Tell whether a tensor's numbers are in the file: few bytes can claim to be repeated without end."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        return False
    return tensor.numel() * tensor.element_size() <= _REPEATED * tensor.untyped_storage().nbytes()


def _chosen(experiments: list[Any], where: str, experiment: int | None) -> Any:
    count = len(experiments)
    if experiment is None and count != 1:
        raise UserError(f"{where} holds {count} experiments: choose one by experiment=0 to {count - 1}")
    if (experiment or 0) >= count:
        raise UserError(f"{where} holds {count} experiments, and no experiment={experiment}: they count from 0")
    return experiments[experiment or 0]


def _named(found: dict[Any, Any], names: tuple[str, ...]) -> Any:
    return next((found[name] for name in names if name in found), None)


def _told(labels: Any, soft: Any, count: int, where: str) -> tuple[Tensor, Tensor | None]:
    """Return class numbers and soft labels; each may be what tells the other."""
    if isinstance(labels, Tensor) and labels.ndim == 2 and labels.is_floating_point():
        labels, soft = None, labels
    if soft is not None and not (isinstance(soft, Tensor) and soft.ndim == 2 and soft.is_floating_point()):
        raise UserError(f"{where} holds soft labels that are no floats of shape (N, classes): save them as such")
    if labels is None and soft is not None:
        labels = soft.argmax(1)
    if not isinstance(labels, Tensor) or labels.shape != (count,) or not _whole(labels):
        raise UserError(f"{where} holds no label for each of its {count} images: {_EXPECTED}")
    if soft is not None and len(soft) != count:
        raise UserError(f"{where} holds {len(soft)} soft labels for {count} images: save as many of both")
    return labels.detach().long(), None if soft is None else soft.detach()


def _whole(labels: Tensor) -> bool:
    return not labels.is_complex() and bool((labels == labels.long()).all())
