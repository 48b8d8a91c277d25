"""The tables of metrics: numbers computed from several cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddbench_reporters.layout import GAP, Number, Table
from ddbench_reporters.spread import known, spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ddbench.types import MetricColumn
    from ddbench_reporters.grid import Grid, Line, Square

    Column = tuple[MetricColumn, str]

AT_ONCE = 3  # columns of numbers in a table, unless one metric takes more: as many as a terminal has room for

_DIGITS = {"fraction": 3, "nats": 3}  # after the point; of other units one


def scores(cells: Grid, shown: list[str], metrics: Sequence[MetricColumn]) -> tuple[Table, ...]:
    """Return tables of a row for each line of the grid and a column for each metric and architecture.

    What nothing is known of is left out: architectures of a metric, and lines of a table.
    """
    there = [_columns(cells, metric) for metric in metrics if metric.column in cells.trials]
    return tuple(_table(cells, shown, columns) for columns in _parts(there))


def _columns(cells: Grid, metric: MetricColumn) -> list[Column]:
    every = [(metric, name) for name in cells.architectures]
    met = {square.place["architecture"] for square in cells.squares if _is_known(square, metric)}
    return [column for column in every if column[1] in met] or every[:1]


def _parts(every: Sequence[list[Column]]) -> list[list[Column]]:
    """Lay columns out in tables; those of one metric stay together."""
    parts: list[list[Column]] = []
    for columns in every:
        if parts and len(parts[-1]) + len(columns) <= AT_ONCE:
            parts[-1].extend(columns)
        else:
            parts.append(list(columns))
    return parts


def _table(cells: Grid, shown: list[str], columns: Sequence[Column]) -> Table:
    lines = [line for line in cells.lines if any(_is_told(line, column) for column in columns)]
    metrics = list(dict.fromkeys(metric for metric, _ in columns))
    several = len(cells.architectures) > 1
    heads = (f"{metric.name} {architecture}" if several else metric.name for metric, architecture in columns)
    return Table(
        title=f"metrics: {', '.join(metric.name for metric in metrics)}",
        header=(*shown, *heads),
        rows=tuple(
            (*(line.place[name] for name in shown), *(_written(line, column) for column in columns)) for line in lines
        ),
        numeric=len(columns),
        notes=tuple(_notes(cells, metrics)),
        places=tuple(line.place for line in lines),
        behind={
            (row, place): _number(line.squares[column[1]], column[0])
            for row, line in enumerate(lines)
            for place, column in enumerate(columns, len(shown))
            if column[1] in line.squares
        },
    )


def _is_told(line: Line, column: Column) -> bool:
    metric, architecture = column
    return architecture in line.squares and _is_known(line.squares[architecture], metric)


def _is_known(square: Square, metric: MetricColumn) -> bool:
    return any(known(row[metric.column]) for row in square.rows)


def _written(line: Line, column: Column) -> str:
    """Write mean, deviation and number of a metric's values, and of how many trials that ended well it is not known."""
    metric, architecture = column
    if architecture not in line.squares:
        return GAP
    done = [row for row in line.squares[architecture].rows if row["status"] == "done"]
    summary = spread(done, metric.column)
    unknown = sum(not known(row[metric.column]) for row in done)
    written = summary.written(_DIGITS.get(metric.unit, 1))
    return f"{written}, {unknown} unknown" if summary.n and unknown else written


def _number(square: Square, metric: MetricColumn) -> Number:
    return Number(spread(square.rows, metric.column).mean, square.name, flagged=square.flagged)


def _notes(cells: Grid, metrics: Sequence[MetricColumn]) -> Iterator[str]:
    for metric in metrics:
        better = "higher" if metric.higher_is_better else "lower"
        yield f"{metric.name} ({metric.unit}, {better} is better): {metric.summary.rstrip('.')}"
    yield from dict.fromkeys(note for metric in metrics for note in metric.notes)
    for metric in metrics:
        if not metric.notes and not any(_is_known(square, metric) for square in cells.squares):
            told = f"'ddbench run --metrics {metric.name}' computes what it needs"
            yield f"{metric.name} is not known of any trial: {told}"
