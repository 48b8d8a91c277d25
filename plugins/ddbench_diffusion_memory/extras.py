"""Packages that are installed by those who want them."""

from __future__ import annotations

from importlib.util import find_spec

from ddbench.errors import UserError


def require(package: str, extra: str, who: str) -> None:
    """Raise a UserError unless a package is installed; imports nothing.

    Raises:
        UserError: with the command that installs it.
    """
    if find_spec(package) is None:
        raise UserError(f"{who} needs {package}: pip install 'ddbench[{extra}]'")
