"""Folders of plugins, entry points and the wheel's contents are one list."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = (".py", ".toml", ".jinja", ".css", ".js", ".tmpl")
FOLDERS = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}


def test_every_folder_of_plugins_has_its_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]["ddbench"]
    assert set(points.values()) == FOLDERS
    assert points == {module.removeprefix("ddbench_").replace("_", "-"): module for module in FOLDERS}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    hatchling = pytest.importorskip("hatchling.build", reason="the wheel is built where hatchling is installed")
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        wheel = hatchling.build_wheel(str(folder))
    return set(zipfile.ZipFile(folder / wheel).namelist())


def test_the_wheel_holds_the_plugins_as_top_level_packages(names: set[str]) -> None:
    packages = {name.partition("/")[0] for name in names if not name.partition("/")[0].endswith(".dist-info")}
    assert packages == {"ddbench", *FOLDERS}


def test_the_wheel_holds_every_source_recipe_and_template(names: set[str]) -> None:
    core = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ddbench").rglob("*.*")}
    plugins = {path.relative_to(ROOT / "plugins").as_posix() for path in (ROOT / "plugins").rglob("*.*")}
    wanted = {name for name in core | plugins if name.endswith(SHIPPED)}
    assert any(name.endswith("recipes/cifar10.toml") for name in wanted)
    assert any(name.endswith("templates/page.html.jinja") for name in wanted)
    assert wanted <= names
    assert "ddbench/py.typed" in names


def test_the_wheel_holds_nothing_else(names: set[str]) -> None:
    others = {name for name in names if not name.endswith((*SHIPPED, "py.typed")) and ".dist-info/" not in name}
    assert not others
