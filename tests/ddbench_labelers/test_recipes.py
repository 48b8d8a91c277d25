from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import ddbench_labelers
from ddbench_labelers.online import Online

RECIPES = Path(ddbench_labelers.__file__).parent / "recipes"
PUBLISHED = {
    "cifar10": (30, "train"),
    "cifar100": (30, "train"),
    "tiny-imagenet": (20, "eval"),
    "imagenet1k": (20, "eval"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_holds_the_temperature_and_mode_of_the_papers_code(name: str) -> None:
    recipe = tomllib.loads((RECIPES / f"{name}.toml").read_text())
    online = Online(**recipe["online"])
    assert (online.temperature, online.teacher_mode) == PUBLISHED[name]


def test_every_recipe_builds_its_labeler() -> None:
    names = {path.stem for path in RECIPES.glob("*.toml")}
    assert names == {*PUBLISHED, "digits"}
    for name in names:
        assert Online(**tomllib.loads((RECIPES / f"{name}.toml").read_text())["online"])
