from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter

from ddbench.errors import UserError
from ddbench_datasets import statistics
from ddbench_datasets.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ddbench.types import Place

PETS = Folder(path="pets")


def levels(folder: Path) -> Any:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*/*.png"))])


def written(place: Place) -> list[str]:
    return sorted(path.name for path in place.cache.rglob("*")) if place.cache.exists() else []


def test_a_folder_is_described_by_what_it_holds(tree: Path, place: Place) -> None:
    spec = PETS.spec(place)
    shades = levels(tree / "train") / 255
    assert (spec.name, spec.recipe, spec.class_names) == ("pets", "pets", ("cat", "dog"))
    assert (spec.num_classes, spec.image_size, spec.channels) == (2, 8, 3)
    assert (spec.sizes, spec.class_counts) == ({"train": 6, "test": 2}, (3, 3))
    assert spec.mean == pytest.approx(shades.mean((0, 1, 2)), abs=6e-5)
    assert spec.std == pytest.approx(shades.std((0, 1, 2)), abs=6e-5)


def test_images_come_class_by_class_in_the_order_of_their_names(tree: Path, place: Place) -> None:
    train = PETS.open("train", place)
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert torch.equal(train.images(slice(None)), torch.from_numpy(levels(tree / "train")).permute(0, 3, 1, 2))
    assert torch.equal(
        PETS.open("test", place).images(slice(None)), torch.from_numpy(levels(tree / "test")).permute(0, 3, 1, 2)
    )


def test_names_with_spaces_and_any_letters_are_found(tree: Path, place: Place) -> None:
    tree = tree.rename(place.root / "Haustiere — 猫 и собаки")
    for split in ("train", "test"):
        (tree / split / "cat").rename(tree / split / "Kätzchen, klein [x=1]")
    (tree / "train" / "dog" / "0.png").rename(tree / "train" / "dog" / "größer als 1 #.PNG")
    spec = Folder(path=tree.name).spec(place)
    assert spec.name == "Haustiere"
    assert spec.class_names == ("Kätzchen, klein [x=1]", "dog")
    assert spec.sizes["train"] == 6


def test_a_folder_without_a_letter_to_call_it_by_needs_a_name(tree: Path, place: Place) -> None:
    tree.rename(place.root / "猫")
    with pytest.raises(UserError, match=r"no letter a-z or digit to call the data set by: add name="):
        Folder(path="猫").spec(place)
    assert Folder(path="猫", name="cats").spec(place).name == "cats"


def test_a_path_may_be_absolute_or_relative_to_the_working_directory(
    tree: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = PETS.spec(place)
    assert Folder(path=str(tree)).spec(place) == expected
    monkeypatch.chdir(tree)
    assert Folder(path=".").spec(replace(place, root=place.root / "elsewhere")) == expected


def test_neither_place_nor_name_is_in_the_fingerprint(tree: Path, place: Place) -> None:
    first = PETS.spec(place)
    shutil.copytree(tree, place.root / "moved")
    moved = Folder(path="moved", name="animals", recipe="cifar10").spec(place)
    assert moved == replace(first, name="animals", recipe="cifar10")


def test_a_changed_byte_changes_the_fingerprint_and_back_again(
    tree: Path, place: Place, encoded: Callable[..., bytes]
) -> None:
    path = tree / "test" / "cat" / "0.png"
    content, first = path.read_bytes(), PETS.spec(place).fingerprint
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # in the last chunk's checksum, past the pixels
    assert PETS.spec(place).fingerprint != first
    path.write_bytes(content)
    assert PETS.spec(place).fingerprint == first


@pytest.mark.parametrize("options", [{"size": 4}, {"size": 8}, {"convert": True}])
def test_what_shapes_the_pixels_is_in_the_fingerprint(tree: Path, place: Place, options: dict[str, Any]) -> None:
    assert replace(PETS, **options).spec(place).fingerprint != PETS.spec(place).fingerprint


def test_files_are_read_and_decoded_once_ever(tree: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    first = PETS.spec(place)
    monkeypatch.setattr(statistics, "decode_batch", lambda *_: pytest.fail("decoded again"))
    monkeypatch.setattr("ddbench_datasets.fingerprint._file_digest", lambda _: pytest.fail("hashed again"))
    assert PETS.spec(place) == first


def test_a_damaged_record_is_measured_anew(tree: Path, place: Place) -> None:
    first = PETS.spec(place)
    for record in place.cache.rglob("*.json"):
        record.write_text('{"mean": 3')
    assert PETS.spec(place) == first
    assert json.loads((place.cache / "statistics" / f"{first.fingerprint}.json").read_text())["mean"] == list(
        first.mean
    )
    assert not [name for name in written(place) if name.endswith(".tmp")]


def test_a_cache_that_cannot_be_written_is_named(tree: Path, place: Place) -> None:
    place.cache.write_text("a file in the way")
    with pytest.raises(UserError, match=r"cannot write .*cache"):
        PETS.spec(place)


def test_given_statistics_are_used_but_images_are_still_checked(tree: Path, place: Place) -> None:
    given = replace(PETS, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    assert (given.spec(place).mean, given.spec(place).std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    (tree / "test" / "dog" / "0.png").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"dog/0\.png does not decode"):
        given.spec(place)


def test_size_resizes_both_splits(tree: Path, place: Place, encoded: Callable[..., bytes]) -> None:
    (tree / "train" / "cat" / "wide.png").write_bytes(encoded(size=(20, 10)))
    small = replace(PETS, size=4)
    assert small.spec(place).image_size == 4
    assert small.open("train", place).images(slice(None)).shape == (7, 3, 4, 4)
    assert small.open("test", place).images(slice(None)).shape == (2, 3, 4, 4)


def test_files_that_are_no_images_and_hidden_ones_are_passed_over(tree: Path, place: Place) -> None:
    first = PETS.spec(place)
    (tree / "README.txt").write_text("about")
    (tree / "train" / "cat" / "Thumbs.db").write_text("x")
    (tree / "train" / "cat" / "._0.png").write_text("resource fork")
    (tree / "train" / ".ipynb_checkpoints").mkdir()
    assert PETS.spec(place) == first


def test_images_may_lie_deeper_and_classes_may_be_links(tree: Path, place: Place) -> None:
    (tree / "train" / "cat" / "images").mkdir()
    (tree / "train" / "cat" / "0.png").rename(tree / "train" / "cat" / "images" / "0.png")
    (tree / "train" / "dog").rename(place.root / "dogs")
    (tree / "train" / "dog").symlink_to(place.root / "dogs")
    assert PETS.spec(place).class_counts == (3, 3)


@pytest.mark.parametrize("name", ["val", "validation"])
def test_the_test_split_goes_by_its_usual_names(tree: Path, place: Place, name: str) -> None:
    (tree / "test").rename(tree / name)
    assert PETS.spec(place).sizes == {"train": 6, "test": 2}


def test_the_test_split_can_be_chosen(tree: Path, place: Place) -> None:
    (tree / "test" / "dog" / "0.png").rename(tree / "test" / "unlabelled.png")
    shutil.copytree(tree / "train", tree / "val")
    assert replace(PETS, test="val").spec(place).sizes == {"train": 6, "test": 6}


# ------------------------------------------------------------------------------------------- bad input


def remove_class(tree: Path, encoded: Callable[..., bytes]) -> None:
    shutil.rmtree(tree / "test" / "dog")


def add_class(tree: Path, encoded: Callable[..., bytes]) -> None:
    (tree / "test" / "fox").mkdir()


def empty_class(tree: Path, encoded: Callable[..., bytes]) -> None:
    for path in (tree / "train" / "dog").iterdir():
        path.unlink()


def no_classes(tree: Path, encoded: Callable[..., bytes]) -> None:
    shutil.rmtree(tree / "train")
    (tree / "train").mkdir()


def broken_link(tree: Path, encoded: Callable[..., bytes]) -> None:
    (tree / "train" / "dog" / "9.png").symlink_to(tree / "nowhere.png")


def replaced(name: str, **options: Any) -> Callable[..., None]:
    return lambda tree, encoded: (tree / name).write_bytes(encoded(**options))


BAD: dict[str, tuple[Callable[[Path, Any], Any], str]] = {
    "no train": (lambda tree, _: shutil.rmtree(tree / "train"), r"no folder train in .*pets: expected train/<class>/"),
    "no test": (lambda tree, _: shutil.rmtree(tree / "test"), r"no folder test or val or validation in .*pets"),
    "no classes": (no_classes, r"pets/train holds no class folders"),
    "class in training only": (remove_class, r"no class dog in .*pets/test: both splits need the same classes"),
    "class in testing only": (add_class, r"no class fox in .*pets/train: both splits need"),
    "empty class": (empty_class, r"class 'dog' has no image in .*pets/train"),
    "broken link": (broken_link, r"cannot read .*dog/9\.png \(No such file"),
    "ragged": (
        replaced("train/dog/1.png", size=(9, 9)),
        r"train/dog/1\.png is 9x9 pixels, but .*train/cat/0\.png is 8x8: add size=N",
    ),
    "ragged in testing": (
        replaced("test/dog/0.png", size=(9, 9)),
        r"test/dog/0\.png is 9x9 pixels, but .*cat/0\.png is 8x8",
    ),
    "not square": (replaced("train/cat/0.png", size=(8, 9)), r"train/cat/0\.png is 8x9 pixels, not square: add size=N"),
    "grey": (replaced("train/cat/2.png", mode="L"), r"train/cat/2\.png is grey where colour is asked: add channels=1"),
    "no image": (
        lambda tree, _: (tree / "train/cat/1.png").write_bytes(b"text"),
        r"cat/1\.png does not decode as an image",
    ),
    "first is no image": (lambda tree, _: (tree / "train/cat/0.png").write_bytes(b""), r"cat/0\.png does not decode"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line_that_names_it(
    name: str, tree: Path, place: Place, encoded: Callable[..., bytes]
) -> None:
    spoil, message = BAD[name]
    spoil(tree, encoded)
    with pytest.raises(UserError, match=message) as caught:
        PETS.spec(place)
    assert "\n" not in str(caught.value)
    assert not (place.cache / "statistics").exists()


def test_a_missing_folder_is_named_with_where_it_was_looked_for(place: Place) -> None:
    with pytest.raises(UserError, match=r"no folder 'pets', neither in .*data nor in "):
        PETS.spec(place)


def test_a_file_is_no_folder(tree: Path, place: Place) -> None:
    (place.root / "file").touch()
    with pytest.raises(UserError, match="'file' is a file"):
        Folder(path="file").spec(place)


def test_images_without_contrast_need_their_statistics_given(tree: Path, place: Place) -> None:
    for path in (tree / "train").rglob("*.png"):
        Image.new("RGB", (8, 8), (9, 9, 9)).save(path)
    with pytest.raises(UserError, match="are alike in channel 0: give mean= and std="):
        PETS.spec(place)
    assert replace(PETS, mean=(0.5,) * 3, std=(0.5,) * 3).spec(place).std == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": ""}, "path must not be empty"),
        ({"name": ""}, "name must be made of"),
        ({"name": "a/b"}, "name must be made of"),
        ({"name": "../a"}, "name must be made of"),
        ({"test": "train"}, "another split"),
        ({"mean": (0.5, 0.5, 0.5)}, "come together"),
        ({"mean": (0.5,), "std": (0.5,)}, r"mean must have 3 value\(s\)"),
        ({"channels": 1, "mean": (0.5,), "std": (0.5, 0.5)}, r"std must have 1 value\(s\)"),
        ({"mean": (0.5, 0.5, 2), "std": (1, 1, 1)}, "less than or equal to 1"),
        ({"mean": (0.5, 0.5, 0.5), "std": (1, 1, 0)}, "greater than 0"),
        ({"size": 0}, "greater than or equal to 1"),
        ({"channels": 2}, "Input should be 1 or 3"),
    ],
)
def test_fields_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TypeAdapter(Folder).validate_json(json.dumps({"path": "pets"} | options), strict=True)


def test_a_grey_folder_has_one_channel(tree: Path, place: Place, encoded: Callable[..., bytes]) -> None:
    for seed, path in enumerate(sorted(tree.rglob("*.png"))):
        path.write_bytes(encoded(seed, mode="L"))
    grey = replace(PETS, channels=1)
    assert len(grey.spec(place).mean) == 1
    assert grey.open("train", place).images(slice(0, 2)).shape == (2, 1, 8, 8)
