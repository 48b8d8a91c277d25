"""Files of tensors that are whole or not there: written aside and renamed, their content checked on reading."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

CHECKSUM = "crc32"


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
    """Write tensors and facts about them as safetensors; whoever reads sees the old file or the whole new one.

    Only one process may write a file at a time.
    """
    from safetensors.torch import save_file

    aside = path.with_name(f"{path.name}.part")
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(flat, aside, {**facts, CHECKSUM: _checksum(flat, facts)})
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]] | None:
    """Return tensors, on the CPU, and facts; None if there is no such file or it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError):
        return None
    return (tensors, facts) if facts.pop(CHECKSUM, "") == _checksum(tensors, facts) else None


def _checksum(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> str:
    """Return a checksum of facts and of each tensor's name, type, shape and bytes."""
    checksum = zlib.crc32(repr(sorted(facts.items())).encode())
    for name, tensor in sorted(tensors.items()):
        checksum = zlib.crc32(repr((name, tensor.dtype, tuple(tensor.shape))).encode(), checksum)
        checksum = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, checksum)
    return f"{checksum:08x}"
