"""Packages that an executor needs and ddbench does not bring along."""

from __future__ import annotations

from importlib.util import find_spec

from ddbench.errors import UserError


def require_extra(executor: str, package: str) -> None:
    """Raise a UserError unless a package is installed; it is not imported, for that takes long."""
    if find_spec(package) is None:
        raise UserError(f"executor '{executor}' needs the package '{package}': pip install 'ddbench[{executor}]'")
