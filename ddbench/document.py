"""What a result file holds: the shape that everything that reads one relies on.

Parts that are not named here may be there too. Those with a default were added later: older files lack them.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Le, Predicate

Line = Annotated[str, Predicate(str.isprintable)]  # shown as it is: an escape sequence would command the terminal
Key = Annotated[str, Predicate(str.isalnum)]  # names a folder of the store: a separator would lead out of it
Count = Annotated[int, Ge(0), Le(2**63 - 1)]
Finite = Annotated[float, Predicate(math.isfinite)]


@dataclass(frozen=True)
class Coordinates:
    """Which trial it is; specs as text. One that this version does not know would tell cells apart that look alike."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    dataset: Line
    teacher: Line
    synthesizer: Line
    ipc: Annotated[int, Ge(1), Le(2**63 - 1)]
    labeler: Line
    evaluator: Line
    architecture: Line
    synthesis_seed: Count
    evaluation_seed: Count


@dataclass(frozen=True)
class Point:
    """One epoch of the training curve."""

    epoch: Count
    loss: Finite | None = None
    top1: Finite | None = None


@dataclass(frozen=True)
class Numbers:
    """What the evaluator reported; accuracies in percent."""

    top1: Finite
    top5: Finite
    top1_best: Finite
    loss: Finite
    curve: tuple[Point, ...] = ()
    calibration_error: Finite | None = None
    top1_val: Finite | None = None
    validation: tuple[Point, ...] = ()
    top1_corrupted: Finite | None = None
    corrupted: dict[Line, Finite] = field(default_factory=dict)


@dataclass(frozen=True)
class Taught:
    """The teacher's score on the test split."""

    top1: Finite
    bytes: Count = 0


@dataclass(frozen=True)
class Cost:
    """What the stages of one kind took."""

    seconds: Finite
    peak_memory_bytes: Count
    device: Line
    forward_images: Count | None = None
    backward_images: Count | None = None
    attempts: Count | None = None
    host_peak_bytes: Count | None = None


@dataclass(frozen=True)
class Weight:
    """Bytes of the distilled set."""

    images: Count | None
    labels: Count | None


@dataclass(frozen=True)
class Published:
    """The number of a paper."""

    top1: Finite
    std: Finite | None = None
    dataset: str | None = None
    unreliable: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Facts:
    """What the last stage's key is made of, as far as readers look into it."""

    data: dict[str, Any]
    precision: Line
    seed: int


@dataclass(frozen=True)
class Evaluated:
    """The stage that made the number."""

    facts: Facts
    inputs: dict[str, str]
    key: Key


@dataclass(frozen=True)
class Shards:
    """The stages that made the images: facts of the first; the others differ in their index."""

    facts: dict[str, Any]
    inputs: dict[str, str]
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Reached:
    """A stage before the last."""

    facts: dict[str, Any]
    inputs: dict[str, str]
    key: Key


@dataclass(frozen=True)
class Stages:
    """All stages of the trial."""

    synthesize: Shards
    evaluate: Evaluated
    relabel: Reached
    squeeze: Reached | None = None
    pretrain: Reached | None = None
    prepare: Reached | None = None


@dataclass(frozen=True)
class Component:
    """What played a role in a stage: its spec, every parameter written out, and who ships it."""

    spec: Line
    version: int
    distribution: Line
    commit: Line | None = None


@dataclass(frozen=True)
class Made:
    """How a stage was made: ``ddbench.provenance.made``."""

    started_at: Line | None = None
    finished_at: Line | None = None
    command: Line | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    components: dict[str, Component] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    sha256: Line | None = None
    mixed: bool = False


@dataclass(frozen=True)
class Document:
    """A result file."""

    schema: Literal[1]
    trial: Coordinates
    key: Key
    status: Literal["done", "failed"]
    error: str
    measures: Numbers | None
    teacher: Taught | None
    costs: dict[str, Cost]
    bytes: Weight
    reported: Published | None
    stages: Stages
    environment: dict[str, Any] | None
    started_at: Line | None
    checksum: str
    reports: Line = "last"
    sources: dict[str, str] | None = None
    made: dict[str, Made] = field(default_factory=dict)
    benchmark: str = ""
    traceback: str = ""

    def __post_init__(self) -> None:
        if self.status == "done" and self.measures is None:
            raise ValueError("measures: missing, though the trial is done")


_SAID = {
    "Predicate 'isfinite' failed": "must be finite",
    "Predicate 'str.isprintable' failed": "holds control characters",
    "Predicate 'str.isalnum' failed": "is no key",
    "Unexpected keyword argument": "not known to this version of ddbench",
}


def trouble(text: str) -> str:
    """Return what is wrong with the text of a result file, in a few words, or an empty string."""
    from pydantic import ValidationError

    try:
        _adapter().validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = _SAID.get(first["msg"], first["msg"].removeprefix("Value error, "))
        return " ".join(f"{where}: {said}".removeprefix(": ").split())
    return ""


@functools.cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Document)
