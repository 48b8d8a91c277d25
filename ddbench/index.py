"""The index of a results folder: the rows of its files, so that only files that have changed are read again.

A memo and nothing more: without it the same frame comes, later. It is used as far as the same code wrote it whole, and
for files whose size and times are those of then. It lies in the folder, or where that cannot be written in the user's
cache, and is written whole or not at all, so that several who write it at once do each other no harm.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbench.environment import source_digest
from ddbench.errors import UserError
from ddbench.keys import digest
from ddbench.listing import MARKS
from ddbench.rows import COLUMNS, COUNTS, NUMBERS, REPEATED, text_type, tidy
from ddbench.whole_file import write_text, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from ddbench.listing import Listing

LEAST = 1000  # files; fewer are read as soon as an index
SETTLED_NS = 10 * 10**9  # a file that had just changed may have changed again without another time
_WORTH = 100  # one in so many files read anew is worth writing all rows again
_NAME = Path(".ddbench", "index")
_IGNORED = ".gitignore"
_MOST_ROWS = 10  # for each file that there is: a small index can claim billions
_FORMAT = 1
_LONGEST_HEAD = 200  # bytes
_PATH = "file"
_MOST_BYTES_OF_WORDS = 2**26  # of one column's distinct texts in a block of rows, each then stored once


def read(listed: Listing) -> tuple[pd.DataFrame, np.ndarray]:
    """Return rows of files that have not changed, in the order of the listing, and which files these are, bool (N,)."""
    import numpy as np

    count = len(listed.paths)
    places = _places(listed.folder) if count >= LEAST else ()
    found = [_unchanged(listed, stored) for path in places for stored in _stored(path, _MOST_ROWS * count)]
    if not found:
        return tidy(()), np.zeros(count, bool)
    rows, known = max(found, key=lambda each: int(each[1].sum()))
    return _frame(rows), known


def write(listed: Listing, numbers: np.ndarray, table: pd.DataFrame) -> None:
    """Remember rows, where there is a place for them.

    Args:
        listed: the files as they were before the rows were read.
        numbers: of the files in the listing that have a row.
        table: their rows.
    """
    import pyarrow as pa

    marks = _marks(listed)[numbers]
    settled = marks[:, MARKS.index("changed")] < listed.began - SETTLED_NS
    rows = pa.Table.from_pandas(table, _schema(), preserve_index=False)
    rows = rows.append_column(_PATH, _paths(listed).take(pa.array(numbers)))
    for place, name in enumerate(MARKS):
        rows = rows.append_column(name, pa.array(marks[:, place]))
    rows = rows.filter(pa.array(settled))
    for path in _places(listed.folder):
        with contextlib.suppress(UserError):  # read-only or full: without an index the next reading takes as long
            write_whole(path, lambda draft: _write(rows, draft))
            return


def worth_writing(listed: Listing, fresh: int) -> bool:
    """Tell whether so many files read anew are worth writing all rows down."""
    return len(listed.paths) >= LEAST and fresh * _WORTH >= len(listed.paths)


def _places(folder: Path) -> Iterator[Path]:
    from platformdirs import user_cache_path

    own = folder / _NAME
    if not own.parent.is_symlink() and all(map(_is_plain, (own, own.with_name(_IGNORED)))):
        yield own
    yield user_cache_path("ddbench") / "results" / digest(os.path.realpath(folder))[:32]


def _is_plain(path: Path) -> bool:
    """Tell whether a path is a file or free: a stranger's folder may hold links to any file of ours, and pipes."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return True


def _stored(path: Path, most: int) -> Iterator[pa.Table]:
    """Yield the table of an index, unless it is missing, broken, another's, from other code or of more rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with contextlib.suppress(OSError, pa.ArrowException), path.open("rb") as file:  # it will be written again
        told, body = file.readline(_LONGEST_HEAD), file.read()
        if told != _head(body) or pq.read_metadata(pa.BufferReader(body)).num_rows > most:
            return
        table = pq.read_table(pa.BufferReader(body), read_dictionary=list(REPEATED), use_threads=False)
        if table.column_names == [*COLUMNS, _PATH, *MARKS]:
            yield table


def _head(body: bytes) -> bytes:
    """Return the first line of an index, before its parquet: of which code it is, and that it is whole."""
    return f"ddbench index {_FORMAT} {source_digest('ddbench')} {hashlib.sha256(body).hexdigest()}\n".encode()


def _schema() -> pa.Schema:
    """Return the types of a row's columns, as they are stored."""
    import pyarrow as pa

    words = pa.dictionary(pa.int32(), pa.string())
    types = {
        **dict.fromkeys(NUMBERS, pa.float64()), **dict.fromkeys(COUNTS, pa.int64()), **dict.fromkeys(REPEATED, words)
    }  # fmt: skip
    return pa.schema([(name, types.get(name, pa.large_string())) for name in COLUMNS])


def _frame(rows: pa.Table) -> pd.DataFrame:
    """Return rows as ``tidy`` does."""
    import pandas as pd

    texts = text_type()
    columns: dict[str, Any] = {}
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        columns[name] = _shared(column) if name in REPEATED else column.to_pandas()
        if name not in {*REPEATED, *COUNTS, *NUMBERS}:
            columns[name] = columns[name].astype(texts)
    return pd.DataFrame(columns)


def _shared(column: pa.ChunkedArray) -> pd.Series[Any]:
    """Return texts as objects, each distinct one once in memory."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    whole = column.unify_dictionaries().combine_chunks()
    words: np.ndarray = np.array([*whole.dictionary.to_pylist(), None], dtype=object)
    return pd.Series(words[whole.indices.fill_null(pa.scalar(-1, pa.int32())).to_numpy()], dtype=object)


def _write(rows: pa.Table, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.parent.name == _NAME.parent.name:
        write_text(path.parent / _IGNORED, "*\n")
    sink = pa.BufferOutputStream()
    words = [name for name in COLUMNS if name not in {*NUMBERS, "key"}]
    pq.write_table(rows, sink, compression="lz4", use_dictionary=words, dictionary_pagesize_limit=_MOST_BYTES_OF_WORDS)
    body = sink.getvalue()
    with path.open("wb") as file:
        file.write(_head(body))
        file.write(body)


def _unchanged(listed: Listing, stored: pa.Table) -> tuple[pa.Table, np.ndarray]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    then = np.column_stack([stored[name].to_numpy() for name in MARKS])
    paths, stored_paths = _paths(listed), stored[_PATH].combine_chunks()
    same = paths.equals(stored_paths)
    rows = np.arange(len(paths)) if same else pc.index_in(paths, stored_paths).fill_null(-1).to_numpy()
    known = rows >= 0
    known[known] = (then[rows[known]] == _marks(listed)[known]).all(axis=1)
    rows, stored = rows[known], stored.drop_columns([_PATH, *MARKS])
    return stored if np.array_equal(rows, np.arange(len(stored))) else stored.take(pa.array(rows)), known


def _paths(listed: Listing) -> Any:
    import pyarrow as pa

    try:
        return pa.array(listed.paths, pa.large_string())
    except UnicodeEncodeError:  # a name that is no UTF-8
        told = [path.encode(errors="backslashreplace").decode() for path in listed.paths]
        return pa.array(told, pa.large_string())


def _marks(listed: Listing) -> np.ndarray:
    import numpy as np

    marks: np.ndarray = np.frombuffer(listed.marks, np.int64)
    return marks.reshape(-1, len(MARKS))
