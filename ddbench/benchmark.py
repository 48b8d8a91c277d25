"""A benchmark: the grid of a table, from defaults, a TOML file and the command line."""

from __future__ import annotations

import itertools
import re
import tomllib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from ddbench import reported
from ddbench.errors import UserError, suggestion
from ddbench.reported import Reported
from ddbench.spec import Spec
from ddbench.types import NUMBERS, Cell, Precision, Select, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_SPECS = ("dataset", "teacher", "synth", "labels", "evaluator", "eval")
_LISTS = (*_SPECS, "ipc", "seeds", "synth_seeds")

NEAR_CHANCE = 1.5
"""Answers that are right less than so many times as often as by chance count as no better."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Lists that hold for one part of a table; None leaves the benchmark's own."""

    synth: tuple[Spec, ...] | None = None
    eval: tuple[Spec, ...] | None = None
    dataset: tuple[Spec, ...] | None = None
    ipc: tuple[int, ...] | None = None
    teacher: tuple[Spec, ...] | None = None
    labels: tuple[Spec, ...] | None = None
    evaluator: tuple[Spec, ...] | None = None
    seeds: tuple[int, ...] | None = None
    synth_seeds: tuple[int, ...] | None = None

    def lists(self) -> dict[str, Any]:
        """Return the lists that it gives."""
        return {name: value for name in _LISTS if (value := getattr(self, name)) is not None}

    def under(self, layer: Mapping[str, Any]) -> Grid:
        """Return what is left of it under settings that win.

        Another data set takes the teacher with it that was named for this one: published weights fit no other.
        """
        gone = {*layer, *({"teacher"} if "dataset" in layer and self.dataset is not None else ())}
        return Grid(**{name: value for name, value in self.lists().items() if name not in gone})


@dataclass(frozen=True)
class Benchmark:
    """What is compared with what: every combination of the lists is a cell, every pair of seeds a trial of it.

    With grids, the lists are combined anew for each of them, and a trial that several make is one trial. The defaults
    are the default benchmark: no download, minutes on a laptop. ``metrics`` are computed from the results, and add the
    cells that they compare with; ``select`` says which epoch of a student is its number: the ``last``, the ``best`` on
    the test split, or ``val``, the best on training images held out from everyone; files from elsewhere (weights,
    images) may have been made from them.
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
    metrics: tuple[Spec, ...] = ()
    select: Select = "last"
    name: str = "default"
    grid: tuple[Grid, ...] = ()
    reported: tuple[Reported, ...] = ()

    def trials(self) -> Iterator[Trial]:
        """Yield every trial once, in the order of the table."""
        parts = [replace(self, grid=(), **grid.lists()) for grid in self.grid or (Grid(),)]
        yield from dict.fromkeys(itertools.chain.from_iterable(part._product() for part in parts))

    def spelt(self, spell: Callable[[str, tuple[Spec, ...]], tuple[Spec, ...]]) -> Benchmark:
        """Return the benchmark with its components spelt otherwise, in its own lists and in every grid."""

        def lists(part: Benchmark | Grid) -> dict[str, Any]:
            return {name: spell(name, specs) for name in _SPECS if (specs := getattr(part, name)) is not None}

        return replace(self, **lists(self), grid=tuple(replace(grid, **lists(grid)) for grid in self.grid))

    def _product(self) -> Iterator[Trial]:
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
    """Lay settings over the defaults, later ones over earlier ones and over their grids."""
    merged: dict[str, Any] = {}
    for layer in layers:
        grids = tuple(grid.under(layer) for grid in merged.get("grid", ()))
        merged |= {"grid": grids, **layer}
    benchmark = replace(Benchmark(), **merged)
    for part in (benchmark, *benchmark.grid):
        for name in _LISTS:
            if getattr(part, name) == ():
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


def _select(value: Any) -> str:
    if value not in NUMBERS:
        raise UserError(f"expected {', '.join(NUMBERS)}, got {value!r}")
    return str(value)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise UserError(f"expected text, got {value!r}")
    return value


def _grids(tables: Any) -> tuple[Grid, ...]:
    return tuple(table if isinstance(table, Grid) else _grid(table) for table in tables)


def _grid(table: Any) -> Grid:
    if not isinstance(table, dict):
        raise UserError("expected tables, each under [[grid]]")
    read = settings(table, "its '{}'")
    misplaced = [name for name in read if name not in _LISTS]
    if misplaced:
        raise UserError(f"its '{misplaced[0].replace('_', '-')}' holds for the whole file: write it at the top")
    return Grid(**read)


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return str(value)
    if isinstance(value, Reported):
        return value.written()
    if isinstance(value, Grid):
        return {name.replace("_", "-"): _plain(values) for name, values in value.lists().items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


_READERS: dict[str, Any] = {
    **dict.fromkeys(("synth", "eval", "dataset", "teacher", "labels", "evaluator", "metrics"), _specs),
    **dict.fromkeys(("seeds", "synth-seeds"), _numbers),
    "ipc": _counts,
    "teacher-floor": _floor,
    "precision": _precision,
    "select": _select,
    "name": _name,
    "grid": _grids,
    "reported": reported.read,
}
