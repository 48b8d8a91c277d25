"""Looks that figures share."""

from __future__ import annotations

import pytest

from ddbench.kit import drawing


def test_seventy_seven_looks_differ() -> None:
    assert len({drawing.look(number) for number in range(77)}) == 77


def test_a_figure_belongs_to_nobody_but_its_caller() -> None:
    pytest.importorskip("matplotlib")

    drawn = drawing.figure(2.0, 1.0)

    assert drawn.get_size_inches().tolist() == [2.0, 1.0]
    assert not hasattr(drawn, "number"), "pyplot numbers its figures and keeps them"
