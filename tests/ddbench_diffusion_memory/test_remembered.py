from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import pytest
import torch

from ddbench.testing.bench import Bench
from ddbench.testing.conformance import check_diagnostic
from ddbench_diffusion_memory.memory import Entries, Memory, directions
from ddbench_diffusion_memory.remembered import Remembered, mean_cosine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def measured(state: Mapping[str, Tensor]) -> Mapping[str, float]:
    bench = Bench()
    task = dataclasses.replace(bench.diagnostic_task(bench.distilled()), state=state)
    return Remembered().measure(task)


def state() -> dict[str, Tensor]:
    """Return two memories after 10 iterations: of each of three classes two latents, at a right angle in class 0."""
    angles = {0: 90.0, 1: 60.0, 2: 0.0}
    tensors: dict[str, Tensor] = {"iterations": torch.tensor([10])}
    for which, iteration in (("real", 3), ("generated", 7)):
        memory = Memory("fifo", 2, "iteration", torch.device("cpu"))
        for label, degrees in angles.items():
            angle = math.radians(degrees)
            pair = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]])
            memory.add(label, Entries.of(directions(pair), iteration, torch.tensor([100, 100 * label])))
        tensors |= {f"memory/{which}/{name}": value for name, value in memory.tensors().items()}
    return tensors


def test_measures_of_memories_by_hand() -> None:
    found = measured(state())
    for which in ("real", "generated"):
        assert found[f"cosine_{which}/stripes 0"] == pytest.approx(0, abs=1e-6)
        assert found[f"cosine_{which}/stripes 1"] == pytest.approx(0.5, abs=1e-6)
        assert found[f"cosine_{which}"] == pytest.approx(0.5, abs=1e-6)
    assert (found["age_real"], found["age_generated"]) == (6, 2)
    assert found["timestep_generated/stripes 2"] == 150
    assert found["timestep_generated"] == 100
    assert "timestep_real" not in found


def test_what_waits_for_the_end_of_the_epoch_is_not_measured() -> None:
    late = state()
    late["memory/real/waiting"] = torch.tensor([False, False, False, True, False, False])
    assert math.isnan(measured(late)["cosine_real/stripes 1"])
    assert measured(late)["age_real/stripes 1"] == 6


def test_sets_without_memories_measure_nan_under_the_same_names() -> None:
    without = measured({})
    assert without.keys() == measured(state()).keys()
    assert all(math.isnan(value) for value in without.values())


def test_the_mean_cosine_is_that_of_all_pairs() -> None:
    vectors = directions(torch.randn(9, 5, generator=torch.Generator().manual_seed(0)))
    pairs = [float(vectors[i] @ vectors[j]) for i in range(9) for j in range(9) if i != j]
    assert mean_cosine(vectors) == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)
    assert math.isnan(mean_cosine(vectors[:1]))


def test_the_diagnostic_keeps_the_promises_of_its_kind() -> None:
    check_diagnostic(Remembered())
