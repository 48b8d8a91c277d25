"""One set in every layout of the field is read as the same images."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from ddbench.errors import UserError
from ddbench_imported.synthesizer import Images

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

World = Any

FOLDERS = {
    "sre2l": lambda label, index: f"new{label:03d}/class{label:03d}_id{index:03d}.png",
    "numbered": lambda label, index: f"{label:05d}/class{label:05d}_id{index:05d}.png",
    "folder": lambda label, index: f"Stripes_{label}/{index}.png",
}


def png(world: World, place: int) -> bytes:
    file = io.BytesIO()
    world.picture(place).save(file, format="PNG")
    return file.getvalue()


@pytest.mark.parametrize("layout", FOLDERS)
def test_a_folder_a_class_is_read_in_the_layout_that_it_has(layout: str, world: World, tmp_path: Path) -> None:
    root = world.write(tmp_path / "set", FOLDERS[layout])
    assert Images(str(root)).survey(world.data)["layout"] == layout
    assert world.reads(root)
    assert world.reads(root, layout=layout)


def test_numbers_in_names_are_ordered_by_value(world: World, tmp_path: Path) -> None:
    root = world.write(tmp_path / "set", lambda label, index: f"stripes {label}/{9 + index}.png")
    assert world.reads(root)


def test_a_path_with_spaces_and_other_letters_is_read(world: World, folder: Path) -> None:
    assert world.reads(folder)
    assert Images(str(folder)).shown({"path": str(folder)}) == {"name": "mein Satz ü 集"}


def test_images_may_lie_deeper_and_hidden_and_other_files_are_passed_over(world: World, tmp_path: Path) -> None:
    root = world.write(tmp_path / "set", lambda label, index: f"stripes {label}/images/{index}.png")
    for name in (".DS_Store", "stripes 0/notes.txt", "stripes 0/.hidden.png"):
        (root / name).write_text("x")
    assert world.reads(root)


def write_parquet(world: World, path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": png(world, place), "path": None} for place in range(len(world.made.labels))]
    pq.write_table(pa.table({"image": images, "label": world.made.labels.tolist(), **columns}), path)
    return path


def test_parquet_is_read_from_a_file_and_from_the_folder_data_of_a_folder(world: World, tmp_path: Path) -> None:
    path = write_parquet(world, tmp_path / "set" / "data" / "train-00000-of-00001.parquet")
    write_parquet(world, tmp_path / "set" / "data" / "test-00000-of-00001.parquet")
    assert world.reads(path)
    assert world.reads(tmp_path / "set")


def test_parquets_class_names_are_matched_and_not_its_numbers(world: World, tmp_path: Path) -> None:
    path = write_parquet(world, tmp_path / "set.parquet")
    names = ["stripes 2", "stripes 1", "stripes 0"]
    features = {"label": {"names": names, "_type": "ClassLabel"}}
    table = pq.read_table(path)
    labels = pa.array([2 - label for label in world.made.labels.tolist()])
    told = table.set_column(1, "label", labels)
    pq.write_table(told.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)
    assert world.reads(path)


def write_shard(world: World, path: Path, places: range) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as file:
        for place in places:
            for name, content in ((f"{place}.cls", str(int(world.made.labels[place]))), (f"{place}.png", None)):
                data = png(world, place) if content is None else content.encode()
                member = tarfile.TarInfo(name)
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))


def test_webdataset_shards_are_read_one_after_the_other(world: World, tmp_path: Path) -> None:
    write_shard(world, tmp_path / "set" / "train-00000.tar", range(4))
    write_shard(world, tmp_path / "set" / "train-00001.tar", range(4, 6))
    assert world.reads(tmp_path / "set")


TENSORS: dict[str, Callable[[Any, Any], Any]] = {
    "a pair": lambda images, labels: (images, labels),
    "a dictionary": lambda images, labels: {"images": images, "labels": labels},
    "as DC saves it": lambda images, labels: {
        "data": [[images, labels]],
        "accs_all_exps": {"ConvNet": [__import__("numpy").float64(0.5)]},
    },
}


@pytest.mark.parametrize("form", TENSORS)
def test_tensors_are_read_in_the_forms_in_which_methods_save_them(form: str, world: World, tmp_path: Path) -> None:
    path = tmp_path / "set.pt"
    torch.save(TENSORS[form](world.made.images, world.made.labels), path)
    assert world.reads(path)
    torch.save(TENSORS[form](world.made.images, world.made.labels), path, _use_new_zipfile_serialization=False)
    assert world.reads(path)


def test_mtts_two_files_are_one_set_whatever_lies_beside_them(world: World, tmp_path: Path) -> None:
    torch.save(world.made.images, tmp_path / "images_best.pt")
    torch.save(world.made.labels, tmp_path / "labels_best.pt")
    torch.save(world.made.images, tmp_path / "images_500.pt")
    assert world.reads(tmp_path)


def test_one_of_several_experiments_is_chosen_and_never_guessed(world: World, tmp_path: Path) -> None:
    pairs = [[torch.zeros_like(world.made.images), world.made.labels], [world.made.images, world.made.labels]]
    torch.save({"data": pairs}, tmp_path / "dm.pt")
    assert world.reads(tmp_path / "dm.pt", experiment=1)
    with pytest.raises(UserError, match="holds 2 experiments: choose one by experiment=0 to 1"):
        Images(str(tmp_path / "dm.pt")).survey(world.data)
    with pytest.raises(UserError, match="no experiment=2"):
        Images(str(tmp_path / "dm.pt"), experiment=2).survey(world.data)


def test_the_path_and_the_name_decide_nothing_and_the_content_does(world: World, folder: Path, tmp_path: Path) -> None:
    other = folder.rename(tmp_path / "elsewhere")
    first = Images(str(other), name="mine").identity()
    assert first == Images(str(other.rename(folder))).identity()
    assert "path" not in first
    world.picture(1).save(folder / "stripes 0" / "0.png")
    assert Images(str(folder)).identity() != first


def test_soft_labels_beside_the_images_are_content_too(world: World, folder: Path) -> None:
    before = Images(str(folder)).identity()
    save_file({"soft_labels": torch.full((6, 3), 1 / 3)}, folder / "labels.safetensors")
    assert Images(str(folder)).identity() != before
