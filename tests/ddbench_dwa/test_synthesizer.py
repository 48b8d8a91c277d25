from __future__ import annotations

import copy
import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch

from ddbench.errors import UserError
from ddbench.types import CheckTask
from ddbench_dwa import ascent, synthesizer
from ddbench_dwa.synthesizer import DWA

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from ddbench.types import DatasetSpec, SynthesisTask

QUICK = DWA(iterations=4, steps=3, learning_rate=0.1, jitter=1)


def images_of(method: DWA, task: SynthesisTask) -> Tensor:
    return torch.cat([batch.images for batch in method.synthesize(task)])


@pytest.fixture
def climbs(monkeypatch: pytest.MonkeyPatch, teacher: nn.Module) -> list[tuple[float, float]]:
    """Note how far from the teacher's weights each climb starts and ends."""
    noted: list[tuple[float, float]] = []

    def distance(model: nn.Module) -> float:
        pairs = zip(model.parameters(), teacher.parameters(), strict=True)
        return math.sqrt(sum(float((here - there).detach().square().sum()) for here, there in pairs))

    def noting(model: nn.Module, *batch: Tensor, **settings: Any) -> None:
        before = distance(model)
        ascent.climb(model, *batch, **settings)
        noted.append((before, distance(model)))

    monkeypatch.setattr(synthesizer, "climb", noting)
    return noted


def test_each_index_gives_one_uint8_image_of_every_class(
    make_task: Callable[..., SynthesisTask], data: DatasetSpec
) -> None:
    batches = list(dataclasses.replace(QUICK, batch_size=3).synthesize(make_task(0, 1)))
    assert [batch.labels.tolist() for batch in batches] == [[0, 1, 2], [3]] * 2
    assert all(batch.images.shape == (len(batch.labels), 3, 8, 8) for batch in batches)
    assert {batch.images.dtype for batch in batches} == {torch.uint8}


def test_the_adjustment_starts_anew_for_every_index_and_chunk(
    make_task: Callable[..., SynthesisTask], climbs: list[tuple[float, float]]
) -> None:
    images_of(dataclasses.replace(QUICK, batch_size=2), make_task(0, 1))
    assert [before for before, _ in climbs] == [0] * 4
    assert all(0 < after <= QUICK.rho * 1.001 for _, after in climbs)


def test_accumulating_keeps_the_adjustment_between_chunks_but_not_between_indices(
    make_task: Callable[..., SynthesisTask], climbs: list[tuple[float, float]]
) -> None:
    images_of(dataclasses.replace(QUICK, batch_size=2, accumulate=True), make_task(0, 1))
    first, second, third, fourth = climbs
    assert first[0] == third[0] == 0
    assert (second[0], fourth[0]) == (first[1], third[1])


def test_the_climb_sees_the_batch_of_the_first_iteration(
    make_task: Callable[..., SynthesisTask], teacher: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    climbed: list[Tensor] = []
    seen: list[Tensor] = []
    monkeypatch.setattr(synthesizer, "climb", lambda model, images, labels, **_: climbed.append(images.clone()))
    watched = copy.deepcopy(teacher)
    watched.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    task = dataclasses.replace(make_task(0), teacher=lambda: watched)
    images_of(dataclasses.replace(QUICK, jitter=3, crop=True, flip=True), task)
    assert len(seen) == QUICK.iterations
    assert torch.equal(climbed[0], seen[0])


def test_images_of_an_index_do_not_depend_on_which_others_are_made(make_task: Callable[..., SynthesisTask]) -> None:
    alone, among = images_of(QUICK, make_task(2)), images_of(QUICK, make_task(0, 2))
    assert torch.equal(among[4:], alone)
    assert not torch.equal(among[:4], alone)


def test_the_same_seeds_give_the_same_bits_and_either_seed_matters(make_task: Callable[..., SynthesisTask]) -> None:
    first, again = (images_of(QUICK, make_task(0)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, images_of(QUICK, make_task(0, seed=1)))
    jittered = dataclasses.replace(QUICK, jitter=4)
    others = [images_of(jittered, make_task(0, stage_seed=seed)) for seed in (1, 2)]
    assert not torch.equal(*others)


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
def test_every_parameter_changes_the_images(make_task: Callable[..., SynthesisTask], change: dict[str, Any]) -> None:
    plain = DWA(iterations=4, steps=3, rho=0.5, jitter=2)
    assert not torch.equal(
        images_of(plain, make_task(0)), images_of(dataclasses.replace(plain, **change), make_task(0))
    )


def test_an_ipc_beyond_the_smallest_class_is_refused(data: DatasetSpec) -> None:
    QUICK.check(CheckTask(data, 6))
    with pytest.raises(UserError, match="ipc 7"):
        QUICK.check(CheckTask(data, 7))
