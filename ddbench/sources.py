"""Where results lie, each read into a table: folders of result files, single files, and exports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddbench import exports, index, results
from ddbench.errors import UserError
from ddbench.listing import listing
from ddbench.rows import row, tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from ddbench.listing import Listing

_HEAD = 64  # bytes, in which a document begins
_AT_ONCE = 10_000  # files whose rows are in memory before they are a table, which is a tenth of them


@dataclass(frozen=True)
class Found:
    """Trials, and where they were found.

    Attributes:
        table: a row a trial.
        places: of each row the file that it is from.
        documents: of each row whether that is its own result file.
    """

    table: pd.DataFrame
    places: Sequence[str]
    documents: Sequence[bool]

    @property
    def files(self) -> list[str]:
        """The result files among the places."""
        return [place for place, own in zip(self.places, self.documents, strict=True) if own]

    def take(self, rows: Sequence[int]) -> Found:
        """Return some of the rows, in that order."""
        table = self.table.take(rows).reset_index(drop=True)
        return Found(table, [self.places[each] for each in rows], [self.documents[each] for each in rows])


def joined(parts: Sequence[Found]) -> Found:
    """Return what was found in several places as one."""
    import pandas as pd

    filled = [part for part in parts if len(part.table)] or list(parts[:1])
    if len(filled) == 1:
        return filled[0]
    tables = [part.table for part in filled]
    return Found(
        pd.concat(tables, ignore_index=True) if tables else tidy(()),
        [place for part in filled for place in part.places],
        [own for part in filled for own in part.documents],
    )


def read(source: Path, on_bad: Callable[[UserError], None]) -> Found:
    """Read what lies at a path; ``on_bad`` hears of result files and folders below it that cannot be read.

    Raises:
        UserError: nothing is there, or no results are.
    """
    if not _is_file(source):
        return _of_folder(source, on_bad)
    own = _is_result(source)
    table = tidy(_document(source, on_bad)) if own else _exported(source)
    return Found(table, [str(source)] * len(table), [own] * len(table))


def _is_file(source: Path) -> bool:
    try:
        return source.is_file()
    except OSError as error:
        raise UserError(f"{source} cannot be read: {error.strerror}") from None


def _of_folder(folder: Path, on_bad: Callable[[UserError], None]) -> Found:
    """Read a folder: what its index knows of there, the other files one by one."""
    import numpy as np

    listed = listing(folder, on_bad)
    stored, known = index.read(listed)
    tables, numbers = [stored], [np.flatnonzero(known)]
    try:
        for block in _blocks(np.flatnonzero(~known)):
            rows = dict(_rows(listed, block, on_bad))
            tables.append(tidy(rows.values()))
            numbers.append(np.array(list(rows), int))
    finally:  # Ctrl-C in the hour of the first reading loses little
        table, order = _in_order(tables, numbers)
        if index.worth_writing(listed, len(order) - len(stored)):
            index.write(listed, order, table)
    places = [f"{folder}/{listed.paths[number]}" for number in order.tolist()]
    return Found(table, places, [True] * len(places))


def _blocks(numbers: np.ndarray) -> Iterator[np.ndarray]:
    return (numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE))


def _rows(
    listed: Listing, numbers: np.ndarray, on_bad: Callable[[UserError], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    for number in numbers.tolist():
        for found in _document(listed.place(number), on_bad):
            yield number, found


def _document(path: Path, on_bad: Callable[[UserError], None]) -> list[dict[str, Any]]:
    """Return the row of a result file; none if it cannot be read."""
    try:
        return [row(results.read(path))]
    except UserError as error:
        on_bad(error)
        return []


def _in_order(tables: Sequence[pd.DataFrame], numbers: Sequence[np.ndarray]) -> tuple[pd.DataFrame, np.ndarray]:
    """Return rows in the order of their files, and the numbers of these."""
    import numpy as np
    import pandas as pd

    filled = [table for table in tables if len(table)] or [tidy(())]
    every = np.concatenate(numbers)
    if len(filled) == 1:
        return filled[0], every
    order = every.argsort()
    return pd.concat(filled, ignore_index=True).take(order).reset_index(drop=True), every[order]


def _exported(path: Path) -> pd.DataFrame:
    try:
        return tidy(exports.read(path))
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{path} is not a file of trials: {error}") from None


def _is_result(path: Path) -> bool:
    """Tell a single result file from an export and from what ``run --json`` printed."""
    if path.suffix != ".json" or path.stat().st_size > results.LARGEST:
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).lstrip()
        return head.startswith(b"{") and "schema" in json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError):
        return False
