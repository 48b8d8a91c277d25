"""A benchmark: the grid of a table, from defaults, a TOML file and the command line."""

from __future__ import annotations

import itertools
import re
import tomllib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError, suggestion
from ddbench.spec import Spec
from ddbench.types import Cell, Precision, Trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_REPORTED: dict[str, Any] = {
    **dict.fromkeys(("synth", "eval", "dataset", "source"), str),
    **dict.fromkeys(("top1", "std"), int | float),
    "ipc": int,
}
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_LISTS = ("dataset", "teacher", "synth", "ipc", "labels", "evaluator", "eval", "seeds", "synth_seeds")


@dataclass(frozen=True, slots=True)
class Reported:
    """A number that a paper printed for some cell, with its source."""

    synth: Spec
    eval: Spec
    ipc: int
    top1: float
    source: str
    dataset: Spec | None = None
    std: float | None = None


@dataclass(frozen=True)
class Benchmark:
    """What is compared with what: every combination of the lists is a cell, every pair of seeds a trial of it.

    The defaults are the default benchmark: no download, minutes on a laptop.
    """

    synth: tuple[Spec, ...] = (Spec("dwa"),)
    eval: tuple[Spec, ...] = (Spec("resnet50"), Spec("mobilenetv2"))
    dataset: tuple[Spec, ...] = (Spec("digits"),)
    ipc: tuple[int, ...] = (10,)
    teacher: tuple[Spec, ...] = (Spec("resnet18"),)
    labels: tuple[Spec, ...] = (Spec("online"),)
    evaluator: tuple[Spec, ...] = (Spec("standard"),)
    seeds: tuple[int, ...] = (0, 1, 2)
    synth_seeds: tuple[int, ...] = (0,)
    teacher_floor: float | None = None
    precision: Precision = "float32"
    name: str = "default"
    reported: tuple[Reported, ...] = ()

    def trials(self) -> Iterator[Trial]:
        """Yield every trial, in the order of the table."""
        axes = (self.dataset, self.teacher, self.synth, self.ipc, self.labels, self.evaluator, self.eval)
        for values in itertools.product(*axes):
            for synthesis_seed, evaluation_seed in itertools.product(self.synth_seeds, self.seeds):
                yield Trial(Cell(*values), synthesis_seed, evaluation_seed)

    def document(self) -> dict[str, Any]:
        """Return the benchmark as a TOML file would say it."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        written = {name.replace("_", "-"): _plain(value) for name, value in values.items()}
        return {name: value for name, value in written.items() if value not in (None, [])}


def load(path: Path) -> dict[str, Any]:
    """Read the settings that a benchmark file writes down.

    Raises:
        UserError: no such file, not TOML, an unknown key, or a value of the wrong kind.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"benchmark file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"benchmark file {path} is not TOML: {error}") from None
    return settings({"name": path.stem, **document}, f"benchmark file {path}: '{{}}'")


def build(*layers: Mapping[str, Any]) -> Benchmark:
    """Lay settings over the defaults, later ones over earlier ones."""
    merged = {name: value for layer in layers for name, value in layer.items()}
    benchmark = replace(Benchmark(), **merged)
    for name in _LISTS:
        if not getattr(benchmark, name):
            raise UserError(f"'{name.replace('_', '-')}' is empty: name at least one")
    return benchmark


def settings(document: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Turn written settings (TOML, Python or command line) into those of ``Benchmark``.

    Raises:
        UserError: an unknown key, or a value of the wrong kind; ``where`` is its place, with ``{}`` for the key.
    """
    known = [field.name.replace("_", "-") for field in fields(Benchmark)]
    read = {}
    for written, value in document.items():
        key = written.replace("_", "-")
        if key not in known:
            raise UserError(f"{where.format(written)} is not known{suggestion(key, known)}")
        try:
            read[key.replace("-", "_")] = _READERS[key](value)
        except UserError as error:
            raise UserError(f"{where.format(written)}: {error}") from None
        except (TypeError, ValueError, KeyError) as error:
            raise UserError(f"{where.format(written)} cannot be {value!r}: {error}") from None
    return read


def _specs(value: Any) -> tuple[Spec, ...]:
    if isinstance(value, Spec):
        return (value,)
    if isinstance(value, str):
        return _distinct(Spec.parse_list(value))
    return _distinct(spec for item in value for spec in _specs(item))


def _counts(value: Any) -> tuple[int, ...]:
    numbers = _numbers(value)
    if any(number < 1 for number in numbers):
        raise UserError("images per class must be 1 or more")
    return numbers


def _numbers(value: Any) -> tuple[int, ...]:
    """Read 3, "0-4", "1,10,50" or a list of such."""
    if isinstance(value, bool) or not isinstance(value, int | str | list | tuple | range):
        raise UserError(f"expected numbers such as 3, '0-4' or '1,10,50', got {value!r}")
    if isinstance(value, int):
        return (value,)
    if isinstance(value, str):
        return _distinct(number for part in value.split(",") for number in _range(part.strip()))
    return _distinct(number for item in value for number in _numbers(item))


def _range(part: str) -> range:
    match = _RANGE.fullmatch(part)
    if match is None:
        raise UserError(f"cannot read '{part}': expected a number or a range such as 0-4")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise UserError(f"the range '{part}' runs backwards")
    return range(first, last + 1)


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _floor(value: Any) -> float | None:
    if value is not None and (isinstance(value, bool) or not 0 <= float(value) <= 100):
        raise UserError(f"expected percent between 0 and 100, got {value!r}")
    return None if value is None else float(value)


def _precision(value: Any) -> str:
    if value not in ("float32", "bfloat16"):
        raise UserError(f"expected float32 or bfloat16, got {value!r}")
    return str(value)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise UserError(f"expected text, got {value!r}")
    return value


def _reported(rows: Any) -> tuple[Reported, ...]:
    return tuple(row if isinstance(row, Reported) else _reported_row(dict(row)) for row in rows)


def _reported_row(row: dict[str, Any]) -> Reported:
    for key, value in row.items():
        if key not in _REPORTED:
            raise UserError(f"unknown key '{key}'{suggestion(key, _REPORTED)}")
        if not isinstance(value, _REPORTED[key]):
            raise UserError(f"its {key} cannot be {value!r}")
    for key in ("synth", "eval", "dataset"):
        if key in row:
            row[key] = Spec.parse(row[key])
    return Reported(**row)


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return str(value)
    if isinstance(value, Reported):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in fields(value)
            if getattr(value, field.name) is not None
        }
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


_READERS: dict[str, Any] = {
    **dict.fromkeys(("synth", "eval", "dataset", "teacher", "labels", "evaluator"), _specs),
    **dict.fromkeys(("seeds", "synth-seeds"), _numbers),
    "ipc": _counts,
    "teacher-floor": _floor,
    "precision": _precision,
    "name": _name,
    "reported": _reported,
}
