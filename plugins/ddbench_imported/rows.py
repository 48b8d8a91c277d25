"""Sets in parquet files, as the Hugging Face Hub keeps them."""

from __future__ import annotations

import functools
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from ddbench.errors import UserError
from ddbench_imported import beside
from ddbench_imported.source import Encoded, Soft

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

IMAGE, LABEL, SOFT = "image", "label", "soft_label"
_ROWS_AT_ONCE = 64
_MOST_ROWS = 10**7  # a small file can claim billions


def open_rows(root: Path, paths: Sequence[Path]) -> Encoded:
    """Read the labels of files with columns ``image`` (bytes, or a struct with them) and ``label``.

    Labels are whole numbers, or texts; ``ClassLabel`` metadata gives numbers their names. Images keep the files' order.

    Raises:
        UserError: a file is not parquet, lacks a column, or has a row without image or label.
    """
    values = np.concatenate([_labels(path) for path in paths])
    numbers, labels = np.unique(values, return_inverse=True)
    known = _class_names(paths[0])
    named = [_name(number, known, paths[0]) for number in numbers.tolist()]
    return Encoded(
        "parquet", (*paths, *beside.files(root)), tuple(named), labels.astype(np.int64), lambda: _images(paths),
        lambda index: f"row {index} of {paths[0] if len(paths) == 1 else paths[0].parent}",
        functools.partial(_soft, root, tuple(paths), known),
    )  # fmt: skip


def _name(value: object, known: Sequence[str], path: Path) -> str:
    if not known or not isinstance(value, int):
        return str(value)
    if not 0 <= value < len(known):
        raise UserError(f"label {value} in {path} is outside 0..{len(known) - 1}, the classes that it names")
    return known[value]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path) as file:
            if file.metadata.num_rows > _MOST_ROWS:
                raise UserError(f"{path} claims {file.metadata.num_rows} rows: no distilled set has so many")
            yield file
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"cannot read {path} as parquet ({reason}): replace it") from error


def _labels(path: Path) -> Any:
    with _opened(path) as file:
        missing = [name for name in (IMAGE, LABEL) if name not in file.schema_arrow.names]
        if missing:
            raise UserError(f"no column '{missing[0]}' in {path}: columns '{IMAGE}' and '{LABEL}' are expected")
        column = file.read(columns=[LABEL]).column(LABEL)
    if column.null_count:
        row = column.is_null().index(value=True).as_py()
        raise UserError(f"column '{LABEL}' is null in row {row} of {path}: fill or remove the row")
    if not (pa.types.is_integer(column.type) or pa.types.is_string(column.type)):
        raise UserError(f"column '{LABEL}' of {path} holds {column.type}: labels are whole numbers or names")
    return column.to_numpy()


def _class_names(path: Path) -> tuple[str, ...]:
    """Return the names in a file's ``ClassLabel`` metadata, in label order; nothing where there are none."""
    with _opened(path) as file:
        metadata = (file.schema_arrow.metadata or {}).get(b"huggingface", b"{}")
    try:
        names = json.loads(metadata)["info"]["features"][LABEL]["names"]
    except (ValueError, LookupError, TypeError):
        return ()
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


def _images(paths: Sequence[Path]) -> Iterator[bytes]:
    for path in paths:
        with _opened(path) as file:
            batches = file.iter_batches(_ROWS_AT_ONCE, columns=[IMAGE])
            for row, value in enumerate(value for batch in batches for value in _bytes(batch.column(IMAGE), path)):
                if value is None:
                    raise UserError(f"column '{IMAGE}' holds no bytes in row {row} of {path}: fill or remove the row")
                yield value


def _bytes(column: Any, path: Path) -> Any:
    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        column = pc.struct_field(column, "bytes")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise UserError(f"column '{IMAGE}' of {path} holds {column.type}: images are the bytes of image files")
    return column.to_pylist()


def _soft(root: Path, paths: Sequence[Path], known: tuple[str, ...]) -> Soft | None:
    """Return column ``soft_label`` of all files, else what lies beside them."""
    parts = [_soft_of(path) for path in paths]
    if any(part is None for part in parts):
        return beside.read(root)
    other = beside.read(root)  # says the temperature, which a column cannot
    rows = torch.from_numpy(np.concatenate(parts))
    return Soft(rows, str(paths[0]), known, None if other is None else other.temperature)


def _soft_of(path: Path) -> Any:
    with _opened(path) as file:
        if SOFT not in file.schema_arrow.names:
            return None
        rows = file.read(columns=[SOFT]).column(SOFT).to_pylist()
    try:
        return np.array(rows, np.float32)
    except (ValueError, TypeError):
        raise UserError(
            f"column '{SOFT}' of {path} holds rows of different lengths: write as many as classes"
        ) from None
