"""The record of a check: what was kept, what broke, and where it ended."""

from __future__ import annotations

import pytest

from ddbench import UserError
from ddbench.testing.conformance.promises import promise, promised, recorded


class Subject:
    """Something to be checked."""


def check(*, kept: bool = True, vital: bool = False, error: Exception | None = None) -> list[str]:
    """Try three promises, the second of which may break; returns how far it came."""
    reached = []
    with promise("begins"):
        reached.append("begins")
    with promise("goes on", vital=vital):
        if error is not None:
            raise error
        promised(Subject(), kept, "stops")
    reached.append("after")
    with promise("ends"):
        reached.append("ends")
    return reached


def test_alone_the_first_broken_promise_is_raised_as_it_is() -> None:
    with pytest.raises(AssertionError, match=r"^Subject stops$"):
        check(kept=False)
    with pytest.raises(RuntimeError, match=r"^no$"):
        check(error=RuntimeError("no"))
    assert check() == ["begins", "after", "ends"]


def test_under_a_record_kept_promises_are_empty_and_broken_ones_tell_what_is_wrong() -> None:
    with recorded() as record:
        check(kept=False)

    assert record == {"begins": "", "goes on": "Subject stops", "ends": ""}


def test_a_vital_promise_ends_the_check_when_it_breaks() -> None:
    with recorded() as record:
        check(kept=False, vital=True)

    assert record == {"begins": "", "goes on": "Subject stops"}


def test_an_exception_of_a_components_own_ends_the_check_in_one_line() -> None:
    with recorded() as record:
        check(error=ValueError("no\nsuch thing"))

    assert record == {"begins": "", "goes on": "it raised ValueError: no such thing"}


def test_a_message_to_the_user_stands_as_it_is() -> None:
    with recorded() as record:
        check(error=UserError("put it there"))

    assert record["goes on"] == "put it there"


def test_a_promise_that_is_tried_twice_must_be_kept_twice() -> None:
    with recorded() as record:
        for kept in (True, False, True):
            with promise("holds"):
                promised(Subject, kept, "does not hold")

    assert record == {"holds": "Subject does not hold"}


def test_what_breaks_inside_another_promise_is_told_once() -> None:
    with recorded() as record, promise("outer"), promise("inner", vital=True):
        promised(Subject, False, "breaks")

    assert record == {"inner": "Subject breaks"}


def test_a_record_ends_with_its_block() -> None:
    with recorded():
        check(kept=False)

    with pytest.raises(AssertionError):
        check(kept=False)
