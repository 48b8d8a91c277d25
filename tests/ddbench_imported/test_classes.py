"""Classes are matched by what the set calls them, one to one, or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ddbench.errors import UserError
from ddbench_imported.classes import match, read_map
from ddbench_imported.synthesizer import Images

if TYPE_CHECKING:
    from pathlib import Path

    from ddbench.types import DatasetSpec

PETS = ("cat", "guinea pig", "dog")


@pytest.fixture
def pets(imagenet: DatasetSpec) -> DatasetSpec:
    return replace(imagenet, name="pets", class_names=PETS, imagenet_classes=())


@pytest.mark.parametrize(
    ("names", "labels", "by"),
    [
        (("dog", "Guinea_Pig", "CAT"), (2, 1, 0), "name"),
        (("2", "0", "1"), (2, 0, 1), "number"),
        (("new002", "new000", "new001"), (2, 0, 1), "number"),
        (("00001", "00000", "00002"), (1, 0, 2), "number"),
        (("002_dog", "000_cat", "001_guinea-pig"), (2, 0, 1), "number and name"),
    ],
)
def test_names_are_matched_by_what_they_are(
    names: tuple[str, ...], labels: tuple[int, ...], by: str, pets: DatasetSpec
) -> None:
    matched = match(names, pets, None, "set")
    assert (matched.labels, matched.by) == (labels, by)


def test_classes_that_are_called_numbers_are_matched_by_name(pets: DatasetSpec) -> None:
    digits = replace(pets, class_names=("2", "1", "0"))
    assert match(("0", "1", "2"), digits, None, "set").labels == (2, 1, 0)


def test_classes_of_imagenet_are_matched_by_wnid_and_by_their_number_there(imagenet: DatasetSpec) -> None:
    assert match(("n02979186", "n01440764", "n02102040"), imagenet, None, "set").labels == (2, 0, 1)
    assert match(("new482", "new000", "new217"), imagenet, None, "set").labels == (2, 0, 1)
    named = replace(imagenet, imagenet_classes=())
    assert match(("n02979186", "n01440764", "n02102040"), named, None, "set").labels == (2, 0, 1)


def test_a_number_and_a_name_that_contradict_each_other_are_refused(pets: DatasetSpec) -> None:
    with pytest.raises(UserError, match="'001_dog' is no class of pets"):
        match(("001_dog", "000_cat", "002_guinea pig"), pets, None, "set")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("cat", "guinea pig", "dogg"), "set: 'dogg' is no class of pets; did you mean 'dog'?"),
        (("cat", "dog"), "set has no images of class 'guinea pig': pets has 3 classes, the set 2"),
        (("cat", "Cat", "dog"), "set: 'cat' and 'Cat' both mean class 'cat': keep one"),
        (("1", "2", "3"), "set: '3' is no class of pets, whose classes have numbers 0 to 2"),
    ],
)
def test_what_does_not_match_is_said(names: tuple[str, ...], said: str, pets: DatasetSpec) -> None:
    with pytest.raises(UserError) as refused:
        match(names, pets, None, "set")
    assert str(refused.value).startswith(said)


def test_two_classes_of_one_name_are_told_apart_by_their_numbers_alone(pets: DatasetSpec) -> None:
    cranes = replace(pets, class_names=("crane", "heron", "crane"))
    assert match(("000_crane", "002_crane", "001_heron"), cranes, None, "set").labels == (0, 2, 1)
    with pytest.raises(UserError, match="'crane' is no class"):
        match(("crane", "heron"), cranes, None, "set")


def test_a_map_says_which_class_each_name_is(pets: DatasetSpec, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('a = "dog"\n"b c" = 0\nd = "guinea pig"\n')
    (tmp_path / "map.json").write_text(json.dumps({"a": 2, "b c": "cat", "d": 1}))
    for name in ("map.toml", "map.json"):
        assert match(("a", "b c", "d"), pets, read_map(str(tmp_path / name)), "set").labels == (2, 0, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"../a" = 0', "names '../a', which is no folder in the set"),
        ('"/etc" = 0', "names '/etc', which is no folder in the set"),
        ('".." = 0', "names '..', which is no folder in the set"),
        ("a = [0]", "must name a class, by name or number"),
        ("a = true", "must name a class, by name or number"),
        ("a = ", "is not TOML"),
    ],
)
def test_a_map_that_cannot_serve_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(UserError) as refused:
        read_map(str(tmp_path / "map.toml"))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"a": 0, "b": 1, "c": 2, "d": 0}, "the map names 'd', which is not in the set"),
        ({"a": 0, "b": 1, "c": 3}, "the map sends 'c' to '3', no class of pets"),
        ({"a": 0, "b": 1, "c": "dig"}, "the map sends 'c' to 'dig', no class of pets; did you mean 'dog'?"),
        ({"a": 0, "b": 1}, "'c' is no class of pets"),
        ({"a": 0, "b": 1, "c": 1}, "'b' and 'c' both mean class 'guinea pig'"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(mapping: dict[str, Any], said: str, pets: DatasetSpec) -> None:
    with pytest.raises(UserError) as refused:
        match(("a", "b", "c"), pets, mapping, "set")
    assert said in str(refused.value)


def test_what_the_map_says_enters_the_key_and_its_path_does_not(folder: Path, tmp_path: Path) -> None:
    identities = []
    for name, text in (
        ("one.toml", '"stripes 0" = 0'),
        ("two.toml", '"stripes 0" = 0'),
        ("three.toml", '"stripes 0" = 1'),
    ):
        (tmp_path / name).write_text(text)
        identities.append(Images(str(folder), classes=str(tmp_path / name)).identity())
    assert identities[0] == identities[1] != identities[2]
