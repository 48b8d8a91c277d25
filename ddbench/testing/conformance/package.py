"""Promises of a plugin as a whole: what its import costs, its hooks, its recipes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from ddbench.registry import OCCASIONS, recipe_tables, recipes, required_fields
from ddbench.spec import Spec
from ddbench.testing.conformance.declaration import UNCITED, check_declaration
from ddbench.testing.conformance.promises import promise
from ddbench.testing.elsewhere import of_module

if TYPE_CHECKING:
    from ddbench.registry import Entry, Registry

HEAVY = ("torch", "torchvision", "timm", "diffusers", "pandas", "sklearn")
IMPORT_SECONDS = 0.5  # of a processor: every command imports every plugin

_IMPORT = """
import importlib, json, sys, time
import ddbench
start = time.process_time()
importlib.import_module(sys.argv[1])
print(json.dumps([time.process_time() - start, list(sys.modules)]))
"""


def check_plugin(module: str) -> None:
    """Check a plugin's module: light to import, hooks that ddbench knows, classes that load, recipes that fit them."""
    known = check_package(module)
    for entry in known.entries():
        check_declaration(entry.load(), cited=entry.kind not in UNCITED)
        check_recipes(known, entry)


def check_package(module: str) -> Registry:
    """Check what a plugin's import costs and whether its hooks can be used; returns what it hands over."""
    with promise("is quick to import, and imports nothing heavy"):
        _check_import(module)
    with promise("has hooks that ddbench knows, and nothing in them fails", vital=True):
        known = of_module(module)
        for plugin in known.broken:
            raise AssertionError(f"{module} cannot be used: {plugin.error}")
    with promise("has no table in its recipes but of its own components"):
        _check_tables(module, known)
    return known


def check_recipes(known: Registry, entry: Entry) -> None:
    """Check that what recipes set is among a component's parameters, of the right type, on every occasion."""
    if required_fields(entry.load()):
        return  # what the user has to write, a path say, is known to no recipe
    for recipe, table in recipes(entry).items():
        with promise("has recipes that fit its parameters"):
            occasions = [{part: name} for part in OCCASIONS for name in table.get(part, {})]
            for occasion in [{}, *occasions]:
                known.resolve(entry.kind, Spec(entry.name), recipe, occasion)


def _check_import(module: str) -> None:
    """Import a module in a fresh interpreter, as every command does."""
    run = subprocess.run([sys.executable, "-c", _IMPORT, module], capture_output=True, text=True, check=False)
    if run.returncode:
        raise AssertionError(f"{module} cannot be imported: {run.stderr.strip().splitlines()[-1]}")
    seconds, loaded = json.loads(run.stdout.splitlines()[-1])
    heavy = sorted(set(loaded) & set(HEAVY))
    if heavy:
        raise AssertionError(f"{module} imports {', '.join(heavy)}: name components as 'package.module:Class'")
    if seconds > IMPORT_SECONDS:
        raise AssertionError(f"{module} takes {seconds:.1f} s to import: import inside functions what takes long")


def _check_tables(module: str, known: Registry) -> None:
    names = {entry.name for entry in known.entries()}
    for recipe, tables in recipe_tables(module.partition(".")[0]).items():
        for name in sorted(set(tables) - names):
            raise AssertionError(f"{module} has a table [{name}] in recipes/{recipe}.toml, and no such component")
