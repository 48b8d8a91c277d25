"""What plugins and components must say of themselves, before any of them computes."""

from __future__ import annotations

import dataclasses
import inspect
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

from ddbench.plugins import GROUP, assemble
from ddbench.registry import Registry, parameters, recipes
from ddbench.spec import Spec

HEAVY = ("torch", "torchvision", "timm", "diffusers", "pandas", "sklearn")
UNCITED = ("executor", "reporter")  # plain infrastructure: there is nothing to cite
SOURCE = re.compile(
    r"\bSource:|\barXiv\b|\((?:[^()]*\D)?(?:19|20)\d\d\b|\b(?:Table|Eq\.|Algorithm) ?\d|\bmade up here\b|\bpapers\b"
    r"|\b(?:torchvision|timm|scikit-learn)\b"
)


def promised(component: object, kept: bool, sentence: str) -> None:
    """Raise an AssertionError with a sentence about a component or its class, unless the promise is kept."""
    if not kept:
        name = component.__name__ if isinstance(component, type) else type(component).__name__
        raise AssertionError(f"{name} {sentence}")


def check_component(component: Any, *flags: str) -> None:
    """Check a component's declaration, that its class sets the flags named, and that its parameters can be written."""
    check_declaration(type(component))
    for flag in flags:
        set_ = isinstance(getattr(type(component), flag, None), bool)
        promised(component, set_, f"does not say whether it is '{flag}': set a ClassVar[bool] of that name")
    spec = Spec.of("component", parameters(component))
    promised(component, Spec.parse(str(spec)) == spec, f"has parameters that do not read back from '{spec}'")


def check_declaration(target: type, *, cited: bool = True) -> None:
    """Check that a class is a frozen dataclass with a version, a docstring, a source and a word on every field."""
    frozen = dataclasses.is_dataclass(target) and target.__dataclass_params__.frozen  # type: ignore[attr-defined]  # typeshed hides it
    promised(target, frozen, "is not a frozen dataclass")
    version = getattr(target, "version", None)
    promised(target, isinstance(version, int) and version >= 1, "has no version, a whole number from 1")
    text = "" if target.__doc__ is None or target.__doc__.startswith(f"{target.__name__}(") else inspect.getdoc(target)
    first = (text or "").partition("\n")[0]
    promised(target, first.endswith("."), "has no docstring whose first line is a sentence")
    if cited:
        promised(target, bool(SOURCE.search(text or "")), "names no source: say in its docstring where it comes from")
    explained = re.findall(r"^ {4}(\w+): \S", (text or "").partition("\nAttributes:\n")[2], re.MULTILINE)
    for field in dataclasses.fields(target):
        promised(target, field.name in explained, f"explains '{field.name}' nowhere in its docstring's Attributes")


def check_plugin(module: str) -> None:
    """Check a plugin's module: light to import, hooks that ddbench knows, classes that load, recipes that fit them."""
    loaded = _loaded_by(module)
    if loaded:
        raise AssertionError(f"{module} imports {', '.join(loaded)}: name components as 'package.module:Class'")
    plugins = assemble([EntryPoint(module, module, GROUP)])
    known = Registry(plugins)
    for plugin in known.broken:
        raise AssertionError(f"{module} cannot be used: {plugin.error}")
    for entry in known.entries():
        check_declaration(entry.load(), cited=entry.kind not in UNCITED)
        for recipe in recipes(entry):
            known.resolve(entry.kind, Spec(entry.name), recipe)


def _loaded_by(module: str) -> list[str]:
    """Import a module in a fresh interpreter; returns which heavy packages came with it."""
    code = "import importlib, sys; importlib.import_module(sys.argv[1]); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code, module], capture_output=True, text=True, check=False)
    if run.returncode:
        raise AssertionError(f"{module} cannot be imported: {run.stderr.strip().splitlines()[-1]}")
    return sorted(set(run.stdout.split()) & set(HEAVY))
