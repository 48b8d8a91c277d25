from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING

import pytest
import torch

from ddbench.errors import UserError
from ddbench.types import CheckTask
from ddbench_dwa.synthesizer import DWA
from ddbench_random_perturbation.synthesizer import RandomPerturbation

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from ddbench.types import DatasetSpec, SynthesisTask

QUICK = RandomPerturbation(iterations=4, learning_rate=0.1, jitter=2)


def images_of(method: RandomPerturbation | DWA, task: SynthesisTask) -> Tensor:
    return torch.cat([batch.images for batch in method.synthesize(task)])


def perturbations(method: RandomPerturbation, task: SynthesisTask, original: nn.Module) -> list[Tensor]:
    """Return how far each network that the task handed out stands from the original in the end."""
    handed: list[nn.Module] = []

    def teacher() -> nn.Module:
        handed.append(copy.deepcopy(original))
        return handed[-1]

    images_of(method, dataclasses.replace(task, teacher=teacher))
    weights = torch.cat([weight.flatten().double() for weight in original.parameters()]).detach()
    return [torch.cat([weight.flatten().double() for weight in each.parameters()]) - weights for each in handed]


def test_a_norm_matched_perturbation_is_rho_long_and_drawn_anew_for_every_index(
    make_task: Callable[..., SynthesisTask], teacher: nn.Module
) -> None:
    first, second = perturbations(QUICK, make_task(0, 1), teacher)
    assert (float(first.norm()), float(second.norm())) == pytest.approx((0.015, 0.015), rel=1e-4)
    assert abs(float(torch.cosine_similarity(first, second, dim=0))) < 0.3


def test_class_chunks_of_an_index_share_one_perturbation_that_does_not_add_up(
    make_task: Callable[..., SynthesisTask], teacher: nn.Module
) -> None:
    first, second = perturbations(dataclasses.replace(QUICK, batch_size=2), make_task(0), teacher)
    assert torch.equal(first, second)


def test_a_gaussian_perturbation_has_the_deviation_asked(
    make_task: Callable[..., SynthesisTask], teacher: nn.Module
) -> None:
    (change,) = perturbations(dataclasses.replace(QUICK, perturbation="gaussian", sigma=0.02), make_task(0), teacher)
    assert float(change.std()) == pytest.approx(0.02, rel=0.1)
    assert abs(float(change.mean())) < 0.003


def test_no_perturbation_gives_the_images_of_dwa_with_rho_0_bit_for_bit(
    make_task: Callable[..., SynthesisTask],
) -> None:
    plain = dataclasses.replace(QUICK, perturbation="none", batch_size=3)
    unmoved = DWA(rho=0, iterations=4, learning_rate=0.1, jitter=2, batch_size=3)
    assert torch.equal(images_of(plain, make_task(0, 1)), images_of(unmoved, make_task(0, 1)))


def test_what_is_not_its_own_is_the_same_by_default_as_in_dwa() -> None:
    mine, theirs = (dataclasses.asdict(method) for method in (RandomPerturbation(), DWA()))
    shared = mine.keys() & theirs.keys()
    assert mine.keys() - shared == {"perturbation", "sigma"}
    assert theirs.keys() - shared == {"steps", "gradient", "accumulate"}
    assert {name: mine[name] for name in shared} == {name: theirs[name] for name in shared}


def test_images_of_an_index_do_not_depend_on_which_others_are_made(make_task: Callable[..., SynthesisTask]) -> None:
    strong = dataclasses.replace(QUICK, rho=0.5)
    assert torch.equal(images_of(strong, make_task(0, 2))[4:], images_of(strong, make_task(2)))


def test_statistics_can_be_those_of_the_original_network(make_task: Callable[..., SynthesisTask]) -> None:
    strong = dataclasses.replace(QUICK, rho=0.5)
    on_original = dataclasses.replace(strong, statistics_on="original")
    assert not torch.equal(images_of(strong, make_task(0)), images_of(on_original, make_task(0)))


@pytest.mark.parametrize(
    ("perturbation", "absent"), [("norm-matched", {"sigma"}), ("gaussian", {"rho"}), ("none", {"rho", "sigma"})]
)
def test_a_magnitude_that_is_not_used_is_no_part_of_the_identity(perturbation: str, absent: set[str]) -> None:
    method = RandomPerturbation(perturbation=perturbation)  # type: ignore[arg-type] # one of the three
    assert dataclasses.asdict(method).keys() - method.identity().keys() == absent


def test_an_ipc_beyond_the_smallest_class_is_refused(data: DatasetSpec) -> None:
    with pytest.raises(UserError, match="ipc 7"):
        QUICK.check(CheckTask(data, 7))
