from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from ddbench.kit import inversion
from ddbench_sre2l.synthesizer import SRe2L, noise

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from torch import Tensor

    from ddbench.types import DatasetSpec, SynthesisTask

QUICK = SRe2L(iterations=4, learning_rate=0.1, jitter=1)


def images_of(method: SRe2L, task: SynthesisTask) -> Tensor:
    return torch.cat([batch.images for batch in method.synthesize(task)])


def test_each_index_gives_one_uint8_image_of_every_class(make_task: Callable[..., SynthesisTask]) -> None:
    batches = list(dataclasses.replace(QUICK, batch_size=3).synthesize(make_task(0, 1)))
    assert [batch.labels.tolist() for batch in batches] == [[0, 1, 2], [3]] * 2
    assert all(batch.images.shape == (len(batch.labels), 3, 8, 8) for batch in batches)
    assert {batch.images.dtype for batch in batches} == {torch.uint8}


def test_no_real_image_is_read(make_task: Callable[..., SynthesisTask]) -> None:
    task = make_task(0)
    images_of(QUICK, task)
    assert task.train.read == []  # type: ignore[attr-defined] # the toy notes it


def test_the_start_is_standard_normal_in_normalised_space(
    make_task: Callable[..., SynthesisTask], data: DatasetSpec
) -> None:
    wide = dataclasses.replace(data, image_size=64)
    first, second = (noise(part, wide) for part in inversion.parts(make_task(0, 1), 4))
    assert first.shape == (4, 3, 64, 64)
    assert abs(first.mean()) < 0.02
    assert abs(first.std() - 1) < 0.02
    assert abs(float((first * second).mean())) < 0.02  # another index, other noise


def test_r_bn_weighs_means_and_variances_alike(
    make_task: Callable[..., SynthesisTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[inversion.Inversion] = []

    def noting(model: object, images: Tensor, part: object, data: object, settings: inversion.Inversion) -> Tensor:
        used.append(settings)
        return images

    monkeypatch.setattr(inversion, "invert", noting)
    images_of(SRe2L(r_bn=0.3), make_task(0))
    assert (used[0].lambda_mean, used[0].lambda_var) == (0.3, 0.3)


def test_images_of_an_index_do_not_depend_on_which_others_are_made(make_task: Callable[..., SynthesisTask]) -> None:
    alone, among = images_of(QUICK, make_task(2)), images_of(QUICK, make_task(0, 2))
    assert torch.equal(among[4:], alone)
    assert not torch.equal(among[:4], alone)
