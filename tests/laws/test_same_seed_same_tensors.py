"""Same seeds, same tensors: whole runs on toys, and every synthesizer on digits, in stores of their own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

import ddbench
from ddbench.plugins import discover
from ddbench.registry import Registry
from ddbench.spec import Spec
from ddbench.store import Store

if TYPE_CHECKING:
    from torch import Tensor

READERS = {"images"}  # whose images lie in files: nothing is made
SYNTHESIZERS = [entry for entry in Registry(discover()).entries("synthesizer") if entry.name not in READERS]
TINY = {
    "iterations": 1, "steps": 2, "max_iterations": 2,
    "generator": "scratch[heads=2,layers=1,steps=2,warmup_steps=0,width=16]",
}  # fmt: skip


def tensors(store: Path) -> dict[str, Tensor]:
    """Return all that a store holds, by kind, key, file and name."""
    found: dict[str, Tensor] = {}
    for artifact in Store(store).artifacts():
        for file in artifact.verify()["files"]:
            held = artifact.tensors(file.removesuffix(".safetensors"))
            found |= {f"{artifact.kind}/{artifact.key}/{file}/{name}": value for name, value in held.items()}
    return found


def run_twice(**options: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Run in two stores; numbers of the frames must agree too."""
    frames = [ddbench.run(**options, store=f"store{n}", out=f"out{n}", device="cpu", executor="serial") for n in (1, 2)]
    assert set(frames[0]["status"]) == {"done"}, list(frames[0]["error"])
    assert frames[0][["key", "top1", "loss"]].equals(frames[1][["key", "top1", "loss"]])
    return tensors(Path("store1")), tensors(Path("store2"))


def require_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_two_runs_of_the_toys_store_equal_tensors(toys: list[str]) -> None:
    options = dict(zip((name.removeprefix("--") for name in toys[::2]), toys[1::2], strict=True))
    require_equal(*run_twice(**options | {"synth": "toy-synth,toy-joint"}))


@pytest.mark.parametrize("entry", SYNTHESIZERS, ids=lambda entry: entry.name)
def test_two_runs_of_a_synthesizer_store_equal_tensors(entry: Any, toys: list[str]) -> None:
    options = dict(zip((name.removeprefix("--") for name in toys[::2]), toys[1::2], strict=True))
    few = {field.name: TINY[field.name] for field in dataclasses.fields(entry.load()) if field.name in TINY}
    synth = Spec.of(entry.name, few)
    require_equal(*run_twice(**options | {"dataset": "digits", "synth": synth, "seeds": "0", "teacher-floor": 0}))
