"""All trials in one file: parquet, csv or json, written from the frame and read back into it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError
from ddbench.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

SUFFIXES = (".parquet", ".csv", ".json")
_NEEDED = ("dataset", "synthesizer", "ipc", "evaluator", "architecture", "status", "top1", "key")
_LARGEST = 2**30  # bytes; a million trials are a tenth of it
_MOST_ROWS = 10**7  # of parquet, where a small file can claim billions


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a frame aside, then move it into place; the form is the suffix's: .parquet, .csv or .json.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path} has no known suffix: name it {', '.join(SUFFIXES)}")
    write_whole(path, lambda draft: _WRITERS[path.suffix](table, draft))


def _write_json(table: pd.DataFrame, path: Path) -> None:
    """Write every number in full: pandas' own writer rounds, and a result would not be the same as itself."""
    finite = table.replace([math.inf, -math.inf], math.nan)
    rows = finite.astype(object).where(finite.notna(), None).to_dict("records")
    path.write_text(json.dumps(rows, indent=1, allow_nan=False), encoding="utf-8")


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".parquet": lambda table, path: table.to_parquet(path, index=False),
    ".csv": lambda table, path: table.to_csv(path, index=False),
    ".json": _write_json,
}


def read(path: Path) -> list[dict[str, Any]]:
    """Read the rows of an export, or of what ``ddbench run --json`` printed; missing values are None.

    Raises:
        UserError: it cannot be read, or does not hold trials.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path} is neither a folder of results nor {', '.join(SUFFIXES)}")
    try:
        if path.stat().st_size > _LARGEST:
            raise UserError(f"{path} is larger than 1 GiB: no export of ddbench is")
        table = _READERS[path.suffix](path)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # noqa: BLE001 - pandas, pyarrow and json raise a dozen kinds for broken content
        raise UserError(f"{path} is not a whole {path.suffix[1:]} file of trials: {error}") from None
    missing = [name for name in _NEEDED if name not in table.columns]
    if missing:
        raise UserError(f"{path} holds no trials: column '{missing[0]}' is missing; 'ddbench export' writes such files")
    return _rows(table, path)


def _rows(table: pd.DataFrame, path: Path) -> list[dict[str, Any]]:
    from pandas.api.types import is_scalar

    plain = table.astype(object).where(table.notna(), None)
    strange = [name for name in plain if not plain[name].map(is_scalar).all()]
    if strange:
        raise UserError(f"{path} holds no trials: column '{strange[0]}' has more than numbers and texts")
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd
    from pyarrow.parquet import read_metadata

    rows = read_metadata(path).num_rows
    if rows > _MOST_ROWS:
        raise UserError(f"{path} claims {rows} rows: no export of ddbench has so many")
    return pd.read_parquet(path)


def _read_csv(path: Path) -> pd.DataFrame:
    """Read every value as text, for a key may look like a number; the frame knows which columns hold numbers."""
    import pandas as pd

    return pd.read_csv(path, dtype="object", keep_default_na=False, na_values=[""])


def _read_json(path: Path) -> pd.DataFrame:
    import pandas as pd

    found = json.loads(path.read_text(encoding="utf-8"))
    rows = found.get("trials") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("expected a list of trials")
    return pd.DataFrame(rows)


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".json": _read_json,
}
