"""What a component says of itself, read from its source: listing imports nothing."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ddbench.registry import Entry


def headline(entry: Entry) -> tuple[str, int | None]:
    """Return the first line of a component's docstring and its version; empty and None where there is none."""
    if isinstance(entry.target, type):
        return (inspect.getdoc(entry.target) or "").partition("\n")[0], getattr(entry.target, "version", None)
    node = _class(entry.module, entry.target.partition(":")[2])
    if node is None:
        return "", None
    return (ast.get_docstring(node) or "").partition("\n")[0], _version(node)


def _class(module: str, name: str) -> ast.ClassDef | None:
    try:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            return None
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    except Exception:  # noqa: BLE001 - finding a module imports its package, a stranger's; a listing goes on
        return None
    return next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)


def _version(node: ast.ClassDef) -> int | None:
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.target.id == "version":
            return (
                line.value.value if isinstance(line.value, ast.Constant) and isinstance(line.value.value, int) else None
            )
    return None
