"""Promises in plain words, and the record of which were kept.

A check runs from promise to promise. Alone, the first that is broken ends it with an AssertionError; under
:func:`recorded`, it is written down and the check goes on, as far as what follows does not need what broke.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from ddbench.errors import UserError
from ddbench.plugins import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    Record = dict[str, str]

_RECORD: ContextVar[Record | None] = ContextVar("record", default=None)


class _BrokenOffError(Exception):
    """The rest of a check needs what broke."""


def promised(component: object, kept: bool, sentence: str) -> None:
    """Raise an AssertionError with a sentence about a component or its class, unless the promise is kept."""
    if not kept:
        name = component.__name__ if isinstance(component, type) else type(component).__name__
        raise AssertionError(f"{name} {sentence}")


@contextmanager
def promise(words: str, *, vital: bool = False) -> Iterator[None]:
    """Say which promise a block tries, in words that go on from the component's name: ``makes uint8 images``.

    A promise may be tried several times; it is kept if it always was. One that is ``vital`` ends the check when it is
    broken, for what follows needs it; so does an exception of the component's own.
    """
    record = _RECORD.get()
    if record is None:
        yield
        return
    try:
        yield
    except (AssertionError, UserError) as error:
        record[words] = record.get(words) or str(error) or "an assertion of its own failed"
        if vital:
            raise _BrokenOffError from error
    except _BrokenOffError:
        raise
    except Exception as error:
        record[words] = f"it raised {one_line(error)}"
        raise _BrokenOffError from error
    else:
        record.setdefault(words, "")


@contextmanager
def recorded() -> Iterator[Record]:
    """Write promises down instead of raising.

    Yields:
        record: what is wrong by the promise's words, empty where it was kept, in the order of the check.
    """
    record: Record = {}
    token = _RECORD.set(record)
    try:
        yield record
    except _BrokenOffError:
        pass  # the record tells what broke
    finally:
        _RECORD.reset(token)
