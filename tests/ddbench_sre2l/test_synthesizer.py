from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
import torch

from ddbench.kit import inversion
from ddbench.testing.bench import Bench
from ddbench.testing.conformance import check_synthesizer
from ddbench.testing.toys import ToyDataset
from ddbench_sre2l.synthesizer import SRe2L, noise

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import SynthesisTask

QUICK = SRe2L(iterations=4, learning_rate=0.1, jitter=1)


@pytest.fixture
def bench() -> Bench:
    return Bench(ToyDataset(classes=4, channels=3))


def task_of(bench: Bench, *indices: int, seed: int = 0) -> SynthesisTask:
    return dataclasses.replace(bench.synthesis_task(0, seed=seed), indices=indices)


def images_of(method: SRe2L, task: SynthesisTask) -> Tensor:
    return torch.cat([batch.images for batch in method.synthesize(task)])


def test_each_index_gives_one_uint8_image_of_every_class(bench: Bench) -> None:
    batches = list(dataclasses.replace(QUICK, batch_size=3).synthesize(task_of(bench, 0, 1)))
    assert [batch.labels.tolist() for batch in batches] == [[0, 1, 2], [3]] * 2
    assert all(batch.images.shape == (len(batch.labels), 3, 8, 8) for batch in batches)
    assert {batch.images.dtype for batch in batches} == {torch.uint8}


def test_no_real_image_is_read(bench: Bench) -> None:
    blind = dataclasses.replace(task_of(bench, 0), train=None)  # type: ignore[arg-type] # any look at it raises
    assert len(images_of(QUICK, blind)) == 4


def test_the_synthesizer_keeps_the_contract_of_its_kind() -> None:
    check_synthesizer(QUICK)


def test_the_start_is_standard_normal_in_normalised_space(bench: Bench) -> None:
    wide = dataclasses.replace(bench.data, image_size=64)
    first, second = (noise(part, wide) for part in inversion.parts(task_of(bench, 0, 1), 4))
    assert first.shape == (4, 3, 64, 64)
    assert abs(first.mean()) < 0.02
    assert abs(first.std() - 1) < 0.02
    assert abs(float((first * second).mean())) < 0.02  # another index, other noise


def test_r_bn_weighs_means_and_variances_alike(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[inversion.Inversion] = []

    def noting(model: object, images: Tensor, part: object, data: object, settings: inversion.Inversion) -> Tensor:
        used.append(settings)
        return images

    monkeypatch.setattr(inversion, "invert", noting)
    images_of(SRe2L(r_bn=0.3), task_of(bench, 0))
    assert (used[0].lambda_mean, used[0].lambda_var) == (0.3, 0.3)


def test_images_of_an_index_do_not_depend_on_which_others_are_made(bench: Bench) -> None:
    alone, among = images_of(QUICK, task_of(bench, 2)), images_of(QUICK, task_of(bench, 0, 2))
    assert torch.equal(among[4:], alone)
    assert not torch.equal(among[:4], alone)
