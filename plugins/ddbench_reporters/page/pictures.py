"""Grids of distilled images, class by class, methods side by side, as PNG in the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddbench_reporters.spread import flags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from torch import Tensor

    from ddbench.types import Batch
    from ddbench_reporters.grid import Grid, Square
    from ddbench_reporters.spread import Row

    Images = Callable[[Mapping[str, Any]], Batch | None]

CLASSES = 10
PER_CLASS = 10
SETS = 24
_BUDGET = 3_000_000  # bytes of pixels in a page, which PNG makes smaller
_SIDE = 64  # pixels; larger images are reduced


@dataclass(frozen=True)
class Strip:
    """Images of one class of one set, side by side, as the address of a picture."""

    address: str
    width: int
    height: int
    count: int


@dataclass(frozen=True)
class Gallery:
    """Sets of one data set at one count of images per class.

    Attributes:
        methods: names of columns.
        classes: labels of rows.
        strips: by row and column; None where a class has no image.
        missing: methods whose images this machine does not have.
        note: what is shown of how much.
    """

    place: Mapping[str, str]
    methods: tuple[str, ...]
    classes: tuple[int, ...]
    strips: tuple[tuple[Strip | None, ...], ...]
    missing: tuple[str, ...]
    note: str


def galleries(cells: Grid, documents: Mapping[str, Mapping[str, Any]], images: Images) -> list[Gallery]:
    """Return a gallery for each data set and count of images per class, from what ``images`` gives."""
    wanted = list(_wanted(cells, documents))
    shown = [(place, name, images(document)) for place, name, document in wanted[:SETS]]
    shown += [(place, name, None) for place, name, _ in wanted[SETS:]]
    sets = sum(batch is not None for *_, batch in shown)
    grouped: dict[tuple[str, str], list[tuple[str, Batch | None]]] = {}
    for place, name, batch in shown:
        grouped.setdefault((place["dataset"], place["ipc"]), []).append((name, batch))
    return [_gallery(dataset, ipc, found, _BUDGET // max(1, sets)) for (dataset, ipc), found in grouped.items()]


def _wanted(
    cells: Grid, documents: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, str], str, Mapping[str, Any]]]:
    """Yield each method's first distilled set at each count of images, with a document that names its shards."""
    known: set[tuple[str, ...]] = set()
    for square in cells.squares:
        place = square.place
        name = tuple(place[each] for each in ("dataset", "data", "ipc", "synthesizer", "teacher"))
        row = next(_rows(square, documents), None)
        shards = tuple(documents[row["key"]]["stages"]["synthesize"]["keys"]) if row is not None else ()
        if row is None or known & {name, shards}:
            continue
        known |= {name, shards}
        yield place, f"{place['synthesizer']}{' (flagged)' if flags([row]) else ''}", documents[row["key"]]


def _rows(square: Square, documents: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """Yield the trials that have a result file, sound ones first, in the order of their seeds."""
    ordered = sorted(square.rows, key=lambda row: (flags([row]), int(row["synthesis_seed"])))
    return (row for row in ordered if row["key"] in documents)


def _gallery(dataset: str, ipc: str, sets: list[tuple[str, Batch | None]], budget: int) -> Gallery:
    there = [(name, batch) for name, batch in sets if batch is not None]
    missing = tuple(name for name, batch in sets if batch is None)
    classes = _classes(batch for _, batch in there)
    count = _count(there, len(classes), budget)
    strips = tuple(tuple(_strip(batch, label, count) for _, batch in there) for label in classes)
    note = f"the first {min(count, int(ipc))} of {ipc} images of {len(classes)} classes" if there else ""
    return Gallery({"dataset": dataset, "ipc": ipc}, tuple(name for name, _ in there), classes, strips, missing, note)


def _classes(sets: Iterable[Batch]) -> tuple[int, ...]:
    """Return class labels, at even distances where there are many."""
    labels = sorted({label for batch in sets for label in batch.labels.tolist()})
    count = min(CLASSES, len(labels))
    return tuple(labels[place * len(labels) // count] for place in range(count))


def _count(sets: list[tuple[str, Batch]], classes: int, budget: int) -> int:
    """Return how many images of a class there is room for."""
    if not sets:
        return 0
    side = max(min(_SIDE, batch.images.shape[-1]) for _, batch in sets)
    return max(1, min(PER_CLASS, budget // (classes * side * side * 3)))


def _strip(batch: Batch, label: int, count: int) -> Strip | None:
    images = batch.images[batch.labels == label][:count]
    return _encoded(images) if len(images) else None


def _encoded(images: Tensor) -> Strip:
    """Return images (N, C, H, W) in a row, nothing between them but what is transparent, as a PNG."""
    from PIL import Image

    pictures = [_picture(image) for image in images]
    side = pictures[0].width
    gap = max(1, side // 16)
    row = Image.new("RGBA", (len(pictures) * (side + gap) - gap, side))
    for place, picture in enumerate(pictures):
        row.paste(picture, (place * (side + gap), 0))
    file = io.BytesIO()
    row.save(file, "PNG")
    address = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return Strip(address, *row.size, len(pictures))


def _picture(image: Tensor) -> Any:
    """Return one image (C, H, W) as pillow has it, reduced where it is large."""
    from PIL import Image

    picture = Image.fromarray(image.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy())
    return picture.resize((_SIDE, _SIDE), Image.Resampling.BOX) if picture.width > _SIDE else picture
