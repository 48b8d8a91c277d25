"""What may import what: downward only, no cycles, and heavy libraries only where they are used."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = {
    **dict.fromkeys(("types", "errors", "spec"), 0),
    **dict.fromkeys(("hookspecs", "protocols"), 1),
    **dict.fromkeys(("commandline", "keys", "plugins", "registry"), 2),
    **dict.fromkeys(("plan", "planner", "store", "results", "frames", "exports", "benchmark", "environment"), 3),
    **dict.fromkeys(
        ("frontier", "headline", "ledger", "meter", "passes", "reported", "shards", "imagesets", "cards"), 3
    ),
    **dict.fromkeys(("holdout", "metrics", "references", "templates"), 3),
    **dict.fromkeys(("artifact", "location", "remote"), 3),
    **dict.fromkeys(("document", "provenance", "regression", "whole_file"), 3),
    **dict.fromkeys(("index", "listing", "repeats", "rows", "sources"), 3),
    **dict.fromkeys(("runner", "stages", "bench", "estimate", "probe", "footprint", "room", "analysis"), 4),
    **dict.fromkeys(("plain", "rerun", "detached"), 4),
    "cli": 5,
}
FLOOR_OF_WINDOW = 0  # ddbench/__init__.py, but for what it imports when first asked for it
HEAVY = {
    "torch",
    "torchmetrics",
    "torchvision",
    "timm",
    "diffusers",
    "pandas",
    "numpy",
    "sklearn",
    "scipy",
    "safetensors",
    "pyarrow",
}
FOR_PLUGINS = {"", "types", "protocols", "spec", "errors", "kit"}
CORE = sorted((ROOT / "ddbench").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))


class Import(NamedTuple):
    """A name that a file imports. ``deep`` is inside a function; those for types alone are left out."""

    name: str
    deep: bool


def imports(path: Path) -> list[Import]:
    """Return what a file imports when it runs."""
    return list(_found(ast.parse(path.read_text()), deep=False))


def _found(node: ast.AST, *, deep: bool) -> list[Import]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return []
    if isinstance(node, ast.Import):
        return [Import(alias.name, deep) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [Import(f"{node.module}.{alias.name}", deep) for alias in node.names]
    deep = deep or isinstance(node, ast.FunctionDef)
    return [found for child in ast.iter_child_nodes(node) for found in _found(child, deep=deep)]


def room(name: str) -> str | None:
    """Return the part of the core that a name is in: ``kit``, ``cli``, ``plan``, or an empty string for its window."""
    package, _, rest = f"{name}.".partition(".")
    first = rest.partition(".")[0]
    if package != "ddbench":
        return None
    return first if first in {*FLOORS, "kit", "testing"} else ""


def room_of(path: Path) -> str:
    return (
        room(".".join(("ddbench", path.relative_to(ROOT / "ddbench").with_suffix("").as_posix().replace("/", "."))))
        or ""
    )


def may(own: str, target: str, *, deep: bool) -> bool:
    """Tell whether one part of the core may import another."""
    if own == "testing":
        return target != "cli"
    if own == "kit":
        return target in {"", "kit"} or FLOORS.get(target) == 0
    if target == "testing":
        return own == "cli" and deep  # 'check-plugin' holds plugins to their promises
    if target == "kit":
        return FLOORS.get(own) == 4 and deep  # networks are placed and scored by the kit's means
    if own == "":
        return deep or FLOORS.get(target, FLOOR_OF_WINDOW) == FLOOR_OF_WINDOW
    return FLOORS.get(target, FLOOR_OF_WINDOW) <= FLOORS[own]


def test_every_file_of_the_core_has_its_floor() -> None:
    known = {*FLOORS, "kit", "testing", "__init__"}
    assert {path.relative_to(ROOT / "ddbench").parts[0].removesuffix(".py") for path in CORE} == known


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_core_imports_downward(path: Path) -> None:
    own, found = room_of(path), imports(path)
    wrong = [name for name, deep in found if (target := room(name)) is not None and not may(own, target, deep=deep)]
    assert not wrong, f"{path.name} reaches up, or through a side door, for {wrong}"


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_floors_import_heavy_libraries_inside_functions_only(path: Path) -> None:
    own = room_of(path)
    if own in {"kit", "testing"}:
        return  # the side doors: whoever comes through them wants torch
    heavy = [found for found in imports(path) if found.name.partition(".")[0] in HEAVY]
    assert not [found.name for found in heavy if not found.deep], "a heavy import belongs where it is used"
    assert not heavy or FLOORS.get(own, 0) >= 2, "floors 0 and 1 have no use for it"


def test_the_core_has_no_cycles() -> None:
    modules = {module(path): path for path in CORE}
    graph = {
        name: {near for found in imports(path) if not found.deep for near in nearest(found.name, modules)} - {name}
        for name, path in modules.items()
    }
    list(graphlib.TopologicalSorter(graph).static_order())


def module(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")


def nearest(name: str, modules: dict[str, Path]) -> set[str]:
    """Return the module that a name is, or is in; the shop window, of which everything is part, counts for nothing."""
    found = name if name in modules else name.rpartition(".")[0]
    return {found} - {"ddbench"} if found in modules else set()


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.relative_to(ROOT / "plugins").as_posix())
def test_plugins_import_the_contracts_and_the_kit_alone(path: Path) -> None:
    own = path.relative_to(ROOT / "plugins").parts[0]
    core = {target for name, _ in imports(path) if (target := room(name)) is not None}
    assert core <= FOR_PLUGINS, f"{path.name} imports {core - FOR_PLUGINS} of the core"
    packages = {name.partition(".")[0] for name, _ in imports(path)}
    assert not {name for name in packages if name.startswith("ddbench_")} - {own}, "a plugin imports no other"
    if path.name == "__init__.py":
        first = {found.name.partition(".")[0] for found in imports(path) if not found.deep}
        assert first <= {"__future__", "ddbench", "typing"}, "a hook names its components, and imports none"


def test_nobody_imports_a_plugin_through_its_folder() -> None:
    files = [path for folder in ("ddbench", "plugins", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 50
    assert not [path for path in files for found in imports(path) if found.name.startswith("plugins.")]
