"""``ddbench plan`` of more stages than a screen holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ddbench.cli.long_json import written

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[..., Any]


def methods(count: int) -> str:
    return ",".join(f"toy-synth[noise={number}]" for number in range(1, count + 1))


@pytest.mark.parametrize(
    ("synth", "ipc", "shown", "hidden"),
    [
        (methods(8), "1,2", "toy-synth[noise=8.0] ipc 2, student toy-net", "[...]"),
        (methods(40), "1,2", "toy-synth[...] ipc 2, student toy-net", "noise"),
        (methods(2), "1-40", "toy-synth[...], student toy-net", "ipc"),
    ],
)
def test_stages_are_told_apart_as_far_as_a_table_has_lines(
    command: Call, toys: list[str], monkeypatch: pytest.MonkeyPatch, synth: str, ipc: str, shown: str, hidden: str
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    options = ["--synth", synth, "--ipc", ipc, "--seeds", "0-1"]
    text = command("plan", *toys, *options).out
    table = text[: text.index(" cells, ")]
    assert shown in table
    assert hidden not in table
    assert len(table.splitlines()) < 150


def test_json_tells_every_stage_and_trial_an_item_a_line(command: Call, toys: list[str]) -> None:
    ended = command("plan", *toys, "--synth", methods(30), "--json")
    found = json.loads(ended.out)
    assert len(found["trials"]) == 60
    assert {stage["key"] for stage in found["stages"]} == {key for trial in found["trials"] for key in trial["stages"]}
    assert len(ended.out.splitlines()) == len(found["trials"]) + len(found["stages"]) + 6


@pytest.mark.parametrize("document", [{}, {"a": []}, {"a": [1, {"b": [2]}], "c": {"d": None}, "e": "text", "f": None}])
def test_a_document_that_is_written_piece_by_piece_is_that_document(document: dict[str, Any]) -> None:
    assert json.loads("".join(written(document))) == document
