from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch

from ddbench.errors import UserError
from ddbench.testing.bench import Bench
from ddbench.testing.conformance import check_synthesizer
from ddbench.testing.toys import ToyDataset
from ddbench_dwa import ascent, synthesizer
from ddbench_dwa.synthesizer import DWA

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ddbench.types import SynthesisTask

QUICK = DWA(iterations=4, steps=3, learning_rate=0.1, jitter=1)


@pytest.fixture
def bench() -> Bench:
    return Bench(ToyDataset(classes=4, channels=3))


def task_of(bench: Bench, *indices: int, seed: int = 0) -> SynthesisTask:
    return dataclasses.replace(bench.synthesis_task(0, seed=seed), indices=indices)


def images_of(method: DWA, task: SynthesisTask) -> Tensor:
    return torch.cat([batch.images for batch in method.synthesize(task)])


@pytest.fixture
def climbs(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> list[tuple[float, float]]:
    """Note how far from the teacher's weights each climb starts and ends."""
    noted: list[tuple[float, float]] = []
    teacher = bench.teacher()

    def distance(model: nn.Module) -> float:
        pairs = zip(model.parameters(), teacher.parameters(), strict=True)
        return math.sqrt(sum(float((here - there).detach().square().sum()) for here, there in pairs))

    def noting(model: nn.Module, *batch: Tensor, **settings: Any) -> None:
        before = distance(model)
        ascent.climb(model, *batch, **settings)
        noted.append((before, distance(model)))

    monkeypatch.setattr(synthesizer, "climb", noting)
    return noted


def test_each_index_gives_one_uint8_image_of_every_class(bench: Bench) -> None:
    batches = list(dataclasses.replace(QUICK, batch_size=3).synthesize(task_of(bench, 0, 1)))
    assert [batch.labels.tolist() for batch in batches] == [[0, 1, 2], [3]] * 2
    assert all(batch.images.shape == (len(batch.labels), 3, 8, 8) for batch in batches)
    assert {batch.images.dtype for batch in batches} == {torch.uint8}


def test_the_adjustment_starts_anew_for_every_index_and_chunk(bench: Bench, climbs: list[tuple[float, float]]) -> None:
    images_of(dataclasses.replace(QUICK, batch_size=2), task_of(bench, 0, 1))
    assert [before for before, _ in climbs] == [0] * 4
    assert all(0 < after <= QUICK.rho * 1.001 for _, after in climbs)


def test_accumulating_keeps_the_adjustment_between_chunks_but_not_between_indices(
    bench: Bench, climbs: list[tuple[float, float]]
) -> None:
    images_of(dataclasses.replace(QUICK, batch_size=2, accumulate=True), task_of(bench, 0, 1))
    first, second, third, fourth = climbs
    assert first[0] == third[0] == 0
    assert (second[0], fourth[0]) == pytest.approx((first[1], third[1]), rel=1e-5)


def test_the_climb_sees_the_batch_of_the_first_iteration(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    climbed: list[Tensor] = []
    seen: list[Tensor] = []
    monkeypatch.setattr(synthesizer, "climb", lambda model, images, labels, **_: climbed.append(images.clone()))
    watched = bench.teacher()
    watched.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    task = dataclasses.replace(task_of(bench, 0), teacher=lambda: watched)
    images_of(dataclasses.replace(QUICK, jitter=3, crop=True, flip=True), task)
    assert len(seen) == QUICK.iterations
    assert torch.equal(climbed[0], seen[0])


def test_images_of_an_index_do_not_depend_on_which_others_are_made(bench: Bench) -> None:
    alone, among = images_of(QUICK, task_of(bench, 2)), images_of(QUICK, task_of(bench, 0, 2))
    assert torch.equal(among[4:], alone)
    assert not torch.equal(among[:4], alone)


def test_the_synthesizer_keeps_the_contract_of_its_kind() -> None:
    check_synthesizer(QUICK, real_images=True)


@pytest.mark.parametrize(
    "change",
    [
        {"rho": 0.0},
        {"steps": 1},
        {"gradient": "raw"},
        {"statistics_on": "original"},
        {"lambda_mean": 1.0},
        {"lambda_var": 1.0},
        {"first_weight": 1.0},
        {"jpeg_quality": 75},
        {"flip": True},
        {"crop": True},
        {"two_sided_jitter": True},
        {"learning_rate": 0.2},
        {"iterations": 5},
    ],
)
def test_every_parameter_changes_the_images(bench: Bench, change: dict[str, Any]) -> None:
    plain = DWA(iterations=4, steps=3, rho=0.5, jitter=2)
    assert not torch.equal(
        images_of(plain, task_of(bench, 0)), images_of(dataclasses.replace(plain, **change), task_of(bench, 0))
    )


def test_an_ipc_beyond_the_smallest_class_is_refused(bench: Bench) -> None:
    QUICK.check(bench.check_task(20))
    with pytest.raises(UserError, match="ipc 21"):
        QUICK.check(bench.check_task(21))
