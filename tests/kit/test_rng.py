"""Numbers that derive from seeds, and state that is put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ddbench.kit import rng

if TYPE_CHECKING:
    import pytest


def test_numbers_for_one_purpose_say_nothing_of_those_for_another() -> None:
    first, again, other = (torch.rand(4, generator=rng.generator(3, *names)) for names in ("a", "a", "b"))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert rng.derive(3, "a", 1) != rng.derive(3, "a1")


def test_a_seeded_block_leaves_the_global_state_as_it_was() -> None:
    before = torch.get_rng_state()
    with rng.seeded(0, "weights"):
        first = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
    with rng.seeded(0, "weights"):
        assert torch.equal(torch.rand(3), first)


def test_a_seeded_block_wakes_no_gpu_and_puts_back_all_that_are_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    read, written = list[int](), list[int]()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "get_rng_state", read.append)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda _, device: written.append(device))
    for awake in (False, True):
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda awake=awake: awake)
        monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: None)
        with rng.seeded(0, "weights"):
            torch.rand(1)
        assert read == written == list(range(8 if awake else 0))
