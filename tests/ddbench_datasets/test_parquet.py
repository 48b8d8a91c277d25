from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ddbench.errors import UserError
from ddbench_datasets.folder import Folder
from ddbench_datasets.parquet import Parquet
from ddbench_datasets.shards import _images, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ddbench.types import Place

DATA = Parquet(path="rows")


def write(path: Path, images: Any, labels: Any, rows: int = 2, names: Sequence[str] = (), **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": images, "label": labels} | columns)
    if names:
        features = {"info": {"features": {"label": {"names": list(names), "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(table, path, row_group_size=rows)


@pytest.fixture
def rows(place: Place, encoded: Callable[..., bytes]) -> Path:
    """Write five training rows, in row groups of two, and two test rows, of two classes."""
    root = place.root / "rows"
    write(root / "train.parquet", [encoded(seed) for seed in range(5)], [1, 0, 1, 0, 0])
    write(root / "test.parquet", [encoded(seed) for seed in (5, 6)], [0, 1])
    return root


def pixels(seeds: Sequence[int]) -> torch.Tensor:
    drawn = [np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8) for seed in seeds]
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2)


def test_rows_are_described_and_opened_in_their_order(rows: Path, place: Place) -> None:
    spec = DATA.spec(place)
    assert (spec.name, spec.class_names, spec.image_size) == ("rows", ("0", "1"), 8)
    assert (spec.sizes, spec.class_counts) == ({"train": 5, "test": 2}, (3, 2))
    assert spec.mean == pytest.approx((pixels(range(5)) / 255).mean((0, 2, 3)).tolist(), abs=6e-5)
    train = DATA.open("train", place)
    assert train.labels.tolist() == [1, 0, 1, 0, 0]
    assert torch.equal(train.images(torch.tensor([4, 0, 3, 0])), pixels([4, 0, 3, 0]))
    assert torch.equal(DATA.open("test", place).images(slice(None)), pixels([5, 6]))


def test_shards_structs_and_class_names_of_the_hugging_face_habit_are_read(
    place: Place, encoded: Callable[..., bytes]
) -> None:
    folder = place.root / "rows" / "data"
    files = [{"bytes": encoded(seed), "path": f"{seed}.png"} for seed in range(5)]
    names = ("cat", "dog")
    write(folder / "train-00000-of-00002.parquet", files[:3], [0, 1, 1], names=names)
    write(folder / "train-00001-of-00002.parquet", files[3:], [0, 1], names=names)
    write(folder / "validation-00000-of-00001.parquet", files[:2], [1, 0], names=names)
    spec = DATA.spec(place)
    assert (spec.class_names, spec.sizes) == (names, {"train": 5, "test": 2})
    train = DATA.open("train", place)
    assert train.labels.tolist() == [0, 1, 1, 0, 1]
    assert torch.equal(train.images(torch.tensor([4, 2, 3])), pixels([4, 2, 3]))


def test_columns_can_be_named(rows: Path, place: Place, encoded: Callable[..., bytes]) -> None:
    for split in ("train", "test"):
        table = pq.read_table(rows / f"{split}.parquet").rename_columns(["img", "fine_label"])
        pq.write_table(table, rows / f"{split}.parquet")
    chosen = replace(DATA, image_column="img", label_column="fine_label")
    assert chosen.spec(place).class_counts == (3, 2)
    with pytest.raises(UserError, match=r"no column 'image' in .*train\.parquet: set image_column; .*img"):
        DATA.spec(place)


def test_the_choice_of_columns_is_in_the_fingerprint(place: Place, encoded: Callable[..., bytes]) -> None:
    for split in ("train", "test"):
        write(place.root / "rows" / f"{split}.parquet", [encoded(1), encoded(2)], [0, 1], other=[1, 0])
    assert DATA.spec(place).fingerprint != replace(DATA, label_column="other").spec(place).fingerprint


def test_the_same_rows_have_the_same_fingerprint_wherever_they_lie(rows: Path, place: Place) -> None:
    first = DATA.spec(place)
    shutil.copytree(rows, place.root / "moved")
    assert Parquet(path="moved", name="rows").spec(place) == first
    path = rows / "test.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 2).take([1, 0]), path)
    assert DATA.spec(place).fingerprint != first.fingerprint


def test_a_folder_and_parquet_of_the_same_images_agree(tree: Path, place: Place) -> None:
    folder = Folder(path="pets").spec(place)
    for split in ("train", "test"):
        files = sorted((tree / split).glob("*/*.png"))
        write(
            place.root / "rows" / f"{split}.parquet",
            [file.read_bytes() for file in files],
            [folder.class_names.index(file.parent.name) for file in files],
            names=folder.class_names,
        )
    parquet = replace(DATA, name="pets").spec(place)
    assert parquet == replace(folder, fingerprint=parquet.fingerprint)


def test_each_row_group_is_read_once_for_rows_asked_in_any_order(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counting(group: Any, column: str) -> Any:
        read.append(group.number)
        return _images(group, column)

    monkeypatch.setattr("ddbench_datasets.shards._images", counting)
    source = read_rows([rows / "train.parquet"], "image", "label")
    source.reader([4, 0, 3, 1, 2])
    source.reader([4])
    assert read == [0, 1, 2]


def test_rows_are_named_by_their_number_in_their_file(rows: Path) -> None:
    source = read_rows([rows / "train.parquet", rows / "test.parquet"], "image", "label")
    assert [source.where(index) for index in (0, 4, 6)] == [
        f"row 0 of {rows / 'train.parquet'}",
        f"row 4 of {rows / 'train.parquet'}",
        f"row 1 of {rows / 'test.parquet'}",
    ]


def test_hidden_labels_of_a_test_split_are_refused_and_another_can_be_chosen(
    rows: Path, place: Place, encoded: Callable[..., bytes]
) -> None:
    (rows / "test.parquet").rename(rows / "val.parquet")
    write(rows / "test.parquet", [encoded(0), encoded(1)], [-1, -1])
    with pytest.raises(UserError, match=r"label -1 of image 0 in .*test\.parquet is outside 0\.\.1; hidden labels\?"):
        DATA.spec(place)
    assert replace(DATA, test="val").spec(place).sizes["test"] == 2


@pytest.mark.parametrize("metadata", [b"no json", b"[]", b'{"info": {"features": {"label": {"names": 3}}}}'])
def test_metadata_of_another_form_is_as_good_as_none(rows: Path, place: Place, metadata: bytes) -> None:
    table = pq.read_table(rows / "train.parquet").replace_schema_metadata({b"huggingface": metadata})
    pq.write_table(table, rows / "train.parquet")
    assert DATA.spec(place).class_names == ("0", "1")


BAD: dict[str, tuple[Callable[[Path, Any], Any], str]] = {
    "no train": (lambda root, _: (root / "train.parquet").unlink(), r"no train\.parquet, nor shards such as train-"),
    "no test": (
        lambda root, _: (root / "test.parquet").unlink(),
        r"no test\.parquet or val\.parquet or validation\.parquet",
    ),
    "not parquet": (
        lambda root, _: (root / "train.parquet").write_bytes(b"PAR0" * 9),
        r"cannot read .*train\.parquet as parquet",
    ),
    "empty file": (
        lambda root, _: (root / "train.parquet").write_bytes(b""),
        r"cannot read .*train\.parquet as parquet",
    ),
    "zero rows": (
        lambda root, _: write(root / "train.parquet", pa.array([], pa.binary()), pa.array([], pa.int64())),
        r"train\.parquet holds no images",
    ),
    "no label column": (
        lambda root, make: pq.write_table(pa.table({"image": [make()], "target": [0]}), root / "train.parquet"),
        r"no column 'label' in .*train\.parquet: set label_column",
    ),
    "labels are words": (
        lambda root, make: write(root / "train.parquet", [make(), make()], ["cat", "dog"]),
        r"column 'label' of .*train\.parquet holds string: labels are whole numbers",
    ),
    "images are paths": (
        lambda root, _: write(root / "train.parquet", ["a.png", "b.png"], [0, 1]),
        r"column 'image' of .*train\.parquet holds string: images are the bytes",
    ),
    "null label": (
        lambda root, make: write(root / "train.parquet", [make()] * 3, [0, 1, None]),
        r"column 'label' is null in row 2 of .*train\.parquet",
    ),
    "null image": (
        lambda root, make: write(root / "train.parquet", [make(), make(), make(), None], [0, 1, 0, 1]),
        r"column 'image' is null in row 3 of .*train\.parquet",
    ),
    "negative label": (
        lambda root, make: write(root / "train.parquet", [make()] * 3, [0, 1, -7]),
        r"label -7 of image 2 in .*train\.parquet is outside 0\.\.1",
    ),
    "label too large": (
        lambda root, make: write(root / "test.parquet", [make()] * 3, [0, 1, 2]),
        r"label 2 of image 2 in .*test\.parquet is outside 0\.\.1",
    ),
    "label beyond any class": (
        lambda root, make: write(root / "train.parquet", [make()] * 3, [0, 1, 2**60]),
        rf"label {2**60} of image 2 in .*train\.parquet is outside",
    ),
    "label beyond int64": (
        lambda root, make: write(root / "train.parquet", [make()] * 2, pa.array([0, 2**64 - 1], pa.uint64())),
        r"cannot read .*train\.parquet as parquet",
    ),
    "empty class": (
        lambda root, make: write(root / "train.parquet", [make()] * 4, [0, 3, 1, 1]),
        r"class '2' has no image in .*train\.parquet",
    ),
    "class without test images": (
        lambda root, make: write(root / "test.parquet", [make()] * 2, [1, 1]),
        r"class '0' has no image in .*test\.parquet",
    ),
    "no image": (
        lambda root, make: write(root / "train.parquet", [make(), make(), b"text"], [0, 1, 0]),
        r"row 2 of .*train\.parquet does not decode as an image",
    ),
    "ragged": (
        lambda root, make: write(root / "test.parquet", [make(), make(size=(9, 9))], [0, 1]),
        r"row 1 of .*test\.parquet is 9x9 pixels, but row 0 of .*train\.parquet is 8x8: add size=N",
    ),
    "grey": (
        lambda root, make: write(root / "train.parquet", [make(), make(mode="L")], [0, 1]),
        r"row 1 of .*train\.parquet is grey where colour is asked: add channels=1",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line_that_names_it(
    name: str, rows: Path, place: Place, encoded: Callable[..., bytes]
) -> None:
    spoil, message = BAD[name]
    spoil(rows, encoded)
    with pytest.raises(UserError, match=message) as caught:
        DATA.spec(place)
    assert "\n" not in str(caught.value)
    assert not (place.cache / "statistics").exists()


def test_a_damaged_page_is_found(rows: Path, place: Place) -> None:
    path = rows / "train.parquet"
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"train\.parquet"):
        DATA.spec(place)
