"""Names that a library knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddbench.errors import UserError, suggestion

if TYPE_CHECKING:
    from collections.abc import Collection


def require(library: str, name: str, known: Collection[str]) -> None:
    """Refuse a name that a library does not know.

    Raises:
        UserError: with the nearest name; without one, with where the names are listed, for there are hundreds.
    """
    if name in known:
        return
    hint = suggestion(name, known)
    hint = hint if "did you mean" in hint else f"; it knows {len(known)} names, see the model list of {library}"
    raise UserError(f"{library} knows no network '{name}'{hint}")
