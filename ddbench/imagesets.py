"""A distilled set as files that others read: a folder a class, parquet, or WebDataset shards."""

from __future__ import annotations

import io
import json
import math
import re
import tarfile
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddbench.artifact import share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from torch import Tensor

    from ddbench.types import Batch, DatasetSpec

LABELS = "labels.safetensors"
_SHARD_BYTES = 2**28  # of pixels, before they are encoded
_ROWS_AT_ONCE = 100
_JPEG = {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"}


@dataclass(frozen=True)
class Softened:
    """Soft labels, a row an image in stored order: probabilities, float32 (N, classes), at a temperature."""

    rows: Tensor
    temperature: float


@dataclass(frozen=True)
class ImageSet:
    """A stored set: its batches, as often as asked, and how many images they hold."""

    data: DatasetSpec
    images: int
    batches: Callable[[], Iterable[Batch]]
    soft: Softened | None = None


@dataclass(frozen=True)
class Picture:
    """One image: its place in stored order, its class, the how-manieth of that class it is, and Pillow's view of it."""

    place: int
    label: int
    index: int
    image: Any

    def encoded(self, **options: Any) -> bytes:
        """Return the bytes of an image file."""
        file = io.BytesIO()
        self.image.save(file, **options)
        return file.getvalue()


def write(images: ImageSet, folder: Path, form: str) -> None:
    """Write a set, its labels beside it.

    Forms are ``png`` (a folder a class, lossless), ``sre2l`` (``new003/class003_id007.jpg``), ``parquet`` and
    ``webdataset``. Rows of ``labels.safetensors`` are in the order of rows and shards, or for folders in that of their
    images' numbers: the first image of every class in label order, then the second, and so on.

    Raises:
        OSError: the disk is full, say.
        CorruptArtifactError: a stored image is missing or damaged.
    """
    order = FORMS[form](images, folder)
    _write_labels(images, sorted(order) if form in _FOLDERS else order, folder)


def _pictures(images: ImageSet) -> Iterator[Picture]:
    from PIL import Image

    seen: Counter[int] = Counter()
    place = 0
    for batch in images.batches():
        for pixels, label in zip(batch.images.permute(0, 2, 3, 1).numpy(), batch.labels.tolist(), strict=True):
            plain = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
            yield Picture(place, label, seen[label], Image.fromarray(plain.copy()))
            seen[label] += 1
            place += 1


Order = list[tuple[int, int, int]]
"""Index within the class, label and place of each image, in stored order."""


def _write_png(images: ImageSet, folder: Path) -> Order:
    names = [f"{label:03d}_{_slug(name)}" for label, name in enumerate(images.data.class_names)]
    return _write_folders(images, folder, lambda each: f"{names[each.label]}/{each.index:05d}.png", {"format": "PNG"})


def _slug(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.")


def _write_sre2l(images: ImageSet, folder: Path) -> Order:
    def name(each: Picture) -> str:
        return f"new{each.label:03d}/class{each.label:03d}_id{each.index:03d}.jpg"

    return _write_folders(images, folder, name, _JPEG)


def _write_folders(images: ImageSet, folder: Path, name: Callable[[Picture], str], options: dict[str, Any]) -> Order:
    order = []
    for each in _pictures(images):
        path = folder / name(each)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each.encoded(**options))
        order.append((each.index, each.label, each.place))
    return order


def _write_parquet(images: ImageSet, folder: Path) -> Order:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, order, shards, each_holds = _schema(images), [], *_shards(images)
    pictures = _pictures(images)
    (folder / "data").mkdir()
    for shard in range(shards):
        path = folder / "data" / f"train-{shard:05d}-of-{shards:05d}.parquet"
        left = min(each_holds, images.images - shard * each_holds)
        with pq.ParquetWriter(path, schema) as file:
            while left > 0:
                rows = [next(pictures) for _ in range(min(left, _ROWS_AT_ONCE))]
                file.write_table(pa.Table.from_pylist([_row(each, images) for each in rows], schema))
                order += [(each.index, each.label, each.place) for each in rows]
                left -= len(rows)
    return order


def _shards(images: ImageSet) -> tuple[int, int]:
    """Return how many shards a set needs, and how many images each holds."""
    data = images.data
    shards = max(1, math.ceil(images.images * data.channels * data.image_size**2 / _SHARD_BYTES))
    return shards, math.ceil(images.images / shards)


def _row(each: Picture, images: ImageSet) -> dict[str, Any]:
    image = {"bytes": each.encoded(format="PNG"), "path": f"class{each.label:03d}_id{each.index:03d}.png"}
    soft = {"soft_label": images.soft.rows[each.place].tolist()} if images.soft is not None else {}
    return {"image": image, "label": each.label, **soft}


def _schema(images: ImageSet) -> Any:
    """Return columns and types, with what the library ``datasets`` wants to know of them."""
    import pyarrow as pa

    columns = {"image": pa.struct({"bytes": pa.binary(), "path": pa.string()}), "label": pa.int64()}
    features: dict[str, Any] = {
        "image": {"_type": "Image"},
        "label": {"names": list(images.data.class_names), "_type": "ClassLabel"},
    }
    if images.soft is not None:
        columns["soft_label"] = pa.list_(pa.float32())
        features["soft_label"] = {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "Sequence"}
    return pa.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _write_webdataset(images: ImageSet, folder: Path) -> Order:
    order, (shards, each_holds) = [], _shards(images)
    pictures = _pictures(images)
    for shard in range(shards):
        with tarfile.open(folder / f"train-{shard:05d}.tar", "w") as file:
            for _ in range(min(each_holds, images.images - shard * each_holds)):
                each = next(pictures)
                _add(file, f"{each.place:06d}.png", each.encoded(format="PNG"))
                _add(file, f"{each.place:06d}.cls", str(each.label).encode())
                order.append((each.index, each.label, each.place))
    return order


def _add(file: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file with neither owner nor time, so that the same images make the same shard."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    file.addfile(member, io.BytesIO(content))


def _write_labels(images: ImageSet, order: Order, folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    places = [place for _, _, place in order]
    tensors = {"labels": torch.tensor([label for _, label, _ in order])}
    metadata = {"classes": json.dumps(list(images.data.class_names))}
    if images.soft is not None:
        tensors["soft_labels"] = images.soft.rows[places].contiguous()
        metadata["temperature"] = repr(images.soft.temperature)
    save_file(tensors, folder / LABELS, metadata)
    share(folder / LABELS)


FORMS: dict[str, Callable[[ImageSet, Path], Order]] = {
    "png": _write_png,
    "parquet": _write_parquet,
    "webdataset": _write_webdataset,
    "sre2l": _write_sre2l,
}
_FOLDERS = ("png", "sre2l")
