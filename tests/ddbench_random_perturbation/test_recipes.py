from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from ddbench.spec import Spec
from ddbench_random_perturbation.synthesizer import RandomPerturbation


def tables(package: str) -> dict[str, dict[str, object]]:
    files = [file for file in (resources.files(package) / "recipes").iterdir() if file.name.endswith(".toml")]
    loaded = [(file.name, tomllib.loads(file.read_text(encoding="utf-8"))) for file in files]
    return {name: next(iter(table.values())) for name, table in loaded}


MINE, THEIRS = tables("ddbench_random_perturbation"), tables("ddbench_dwa")


def test_recipes_cover_the_same_data_sets_as_dwas() -> None:
    assert MINE.keys() == THEIRS.keys()
    assert len(MINE) == 5


@pytest.mark.parametrize("name", MINE)
def test_settings_are_dwas_but_for_the_ascent(name: str) -> None:
    assert MINE[name] == {key: value for key, value in THEIRS[name].items() if key != "steps"}
    RandomPerturbation(**MINE[name])  # type: ignore[arg-type] # a recipe's values are plain


def test_no_perturbation_can_be_written_as_a_spec() -> None:
    assert RandomPerturbation(**Spec.parse("random-perturbation[perturbation=none]").mapping()).perturbation is None
