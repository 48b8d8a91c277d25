"""Keys: digests of everything that can change an outcome, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1  # raised when facts change their meaning; every key moves


def canonical_json(value: Any) -> str:
    """Write a value in the one form that equal values share: sorted, compact, ASCII.

    Raises:
        ValueError: the value holds NaN or an infinity, which no recipe can mean.
        TypeError: the value is not JSON's.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value's canonical form, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def stage_key(kind: str, facts: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """Return the key of a stage from its kind, its facts and the keys of its inputs by role."""
    return digest([FORMAT, kind, facts, inputs])
