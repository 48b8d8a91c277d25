"""What a stage asks of a Ray cluster: processors, GPUs and memory, by kind of stage."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

from ddbench.types import StageKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_GIB = 2**30


@dataclass(frozen=True)
class Request:
    """What one stage asks for; ``memory`` is in GiB, 0 for none in particular."""

    cpus: float
    gpus: float
    memory: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) and value >= 0 for value in (self.cpus, self.gpus, self.memory)):
            raise ValueError("cpus, gpus and memory must be 0 or more")
        if self.gpus > 1 and not float(self.gpus).is_integer():
            raise ValueError(f"{self.gpus:g} GPUs: above one, Ray hands out whole ones alone")

    @property
    def options(self) -> dict[str, float]:
        """The options of a Ray task."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, "memory": int(self.memory * _GIB)}

    def fits(self, resources: Mapping[str, float]) -> bool:
        """Tell whether a node with these resources could ever run the stage."""
        wanted = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory * _GIB}
        return all(resources.get(name, 0) >= value for name, value in wanted.items())

    def __str__(self) -> str:
        memory = f" and {self.memory:g} GiB" if self.memory else ""
        return f"{self.cpus:g} CPUs, {self.gpus:g} GPUs{memory}"


def by_kind(default: Request, written: Iterable[str]) -> dict[str, Request]:
    """Return the request of every kind of stage: the default, but for what ``kind:what=number`` says.

    Raises:
        ValueError: a text does not follow that form.
    """
    requests: dict[str, Request] = dict.fromkeys(get_args(StageKind), default)
    for text in written:
        kind, what, value = _read(text)
        changes: dict[str, Any] = {what: value}
        requests[kind] = replace(requests[kind], **changes)
    return requests


def _read(text: str) -> tuple[str, str, float]:
    kind, colon, rest = text.partition(":")
    what, equals, number = rest.partition("=")
    if not (colon and equals and kind in get_args(StageKind) and what in Request.__dataclass_fields__):
        kinds, whats = ", ".join(get_args(StageKind)), ", ".join(Request.__dataclass_fields__)
        raise ValueError(f"'{text}': expected kind:what=number, of the kinds {kinds} and of {whats}")
    try:
        return kind, what, float(number)
    except ValueError:
        raise ValueError(f"'{text}': {number!r} is no number") from None
