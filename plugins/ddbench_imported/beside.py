"""Soft labels in a file ``labels.safetensors`` beside the images, as ``ddbench export-images`` writes it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError
from ddbench_imported.source import Soft, within

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

NAME = "labels.safetensors"
_TENSORS = ("soft_labels", "logits")


def files(root: Path) -> tuple[Path, ...]:
    """Return the file in a set's folder, if it is there.

    Raises:
        UserError: it is a link that leads outside.
    """
    path = root / NAME
    return (within(root, path),) if path.is_file() else ()


def read(root: Path) -> Soft | None:
    """Return the rows of ``soft_labels`` or ``logits``, if the file is there and has either.

    Its metadata may name the ``classes`` of the columns (a JSON list) and the ``temperature`` of probabilities.

    Raises:
        UserError: it is no safetensors file, or its metadata cannot be read.
    """
    path = root / NAME
    tensors, metadata = _content(path) if path.is_file() else ({}, {})
    name = next((name for name in _TENSORS if name in tensors), None)
    if name is None:
        return None
    try:
        classes = tuple(map(str, json.loads(metadata.get("classes", "[]"))))
        temperature = _temperature(metadata["temperature"]) if "temperature" in metadata else None
    except (ValueError, TypeError) as error:
        raise UserError(f"the metadata of {path} cannot be read ({error}): write the file anew") from None
    return Soft(tensors[name], str(path), classes, temperature, tensors.get("labels"))


def _temperature(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError(f"a temperature of {text}")
    return value


def _content(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 - no dict
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read as safetensors ({error}): write the file anew") from None
