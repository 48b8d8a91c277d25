"""What the tests of broken components share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

Refuses = Callable[[Callable[[Any], None], Any, str], None]


@pytest.fixture
def refuses() -> Refuses:
    """Return a function that demands that a check refuses a component with a sentence."""

    def demand(check: Callable[[Any], None], component: Any, sentence: str) -> None:
        type(component).__doc__ = inspect.getdoc(type(component))  # that of the toy it breaks
        with pytest.raises(AssertionError, match=f"^{type(component).__name__} {sentence}"):
            check(component)

    return demand
