"""State dictionaries: reading them, and seeing whether they fit a network."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ddbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    State = dict[str, Tensor]

NESTS = ("state_dict", "model", "model_state_dict", "net")
PREFIX = "module."
SHOWN = 3  # differences named in a message


def digest(path: str) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Raises:
        UserError: there is no such file, or it cannot be read.
    """
    try:
        with Path(path).expanduser().open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"checkpoint '{path}' cannot be read ({error.strerror}): give the path of a file") from None


def read(path: str) -> State:
    """Return the state dictionary of a file, on the CPU, without nesting or ``module.`` prefix.

    Raises:
        UserError: there is no such file, it is not a state dictionary, or unpickling it would run code.
    """
    loaded = _load(path)
    for nest in NESTS:
        if isinstance(loaded, dict) and isinstance(loaded.get(nest), dict):
            loaded = loaded[nest]
    if (
        not isinstance(loaded, dict)
        or not loaded
        or not all(isinstance(item, torch.Tensor) for item in loaded.values())
    ):
        raise UserError(f"checkpoint '{path}' holds no state dictionary: save model.state_dict() in it")
    return _without_prefix(loaded)


def match(state: State, model: nn.Module, source: str, architecture: str) -> None:
    """Compare names and shapes with those of a network. Counters of batches may be missing.

    Raises:
        UserError: something differs; names the first differences.
    """
    differences = list(_differences(state, model.state_dict()))
    if not differences:
        return
    rest = f" and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
    raise UserError(
        f"{source} does not fit {architecture}: {'; '.join(differences[:SHOWN])}{rest}"
        "; set architecture=... to the network it was saved from, or check classes and image size of the data set"
    )


def _load(path: str) -> Any:
    if not Path(path).expanduser().is_file():
        raise UserError(f"checkpoint '{path}' does not exist: give the path of a .pt, .pth or .safetensors file")
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            return load_file(Path(path).expanduser())
        return torch.load(Path(path).expanduser(), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"checkpoint '{path}' holds more than tensors, and reading it could run code: save model.state_dict() alone"
        ) from None
    except Exception as error:  # noqa: BLE001 - torch and safetensors raise a dozen kinds for a damaged file
        reason = str(error).partition("\n")[0]
        raise UserError(f"checkpoint '{path}' cannot be read ({reason}): is it a whole checkpoint file?") from None


def _without_prefix(state: State) -> State:
    if not all(name.startswith(PREFIX) for name in state):
        return state
    return {name.removeprefix(PREFIX): tensor for name, tensor in state.items()}


def _differences(state: State, expected: State) -> Iterator[str]:
    for name, tensor in expected.items():
        if name in state and state[name].shape != tensor.shape:
            yield f"{name} is {_shape(state[name])}, not {_shape(tensor)}"
        elif name not in state and not name.endswith("num_batches_tracked"):
            yield f"{name} is missing"
    for name in state:
        if name not in expected:
            yield f"{name} is unknown"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"
