from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Literal

import pytest
import torch

from ddbench.errors import UserError
from ddbench.testing.bench import Bench
from ddbench.testing.conformance import check_synthesizer
from ddbench.testing.toys import ToyDataset
from ddbench_dwa.synthesizer import DWA
from ddbench_random_perturbation.synthesizer import RandomPerturbation

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ddbench.types import SynthesisTask

QUICK = RandomPerturbation(iterations=4, learning_rate=0.1, jitter=2)


@pytest.fixture
def bench() -> Bench:
    return Bench(ToyDataset(classes=4, channels=3))


def task_of(bench: Bench, *indices: int, seed: int = 0) -> SynthesisTask:
    return dataclasses.replace(bench.synthesis_task(0, seed=seed), indices=indices)


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


def test_a_norm_matched_perturbation_is_rho_long_and_drawn_anew_for_every_index(bench: Bench) -> None:
    first, second = perturbations(QUICK, task_of(bench, 0, 1), bench.teacher())
    assert (float(first.norm()), float(second.norm())) == pytest.approx((0.015, 0.015), rel=1e-4)
    assert abs(float(torch.cosine_similarity(first, second, dim=0))) < 0.3


def test_class_chunks_of_an_index_share_one_perturbation_that_does_not_add_up(bench: Bench) -> None:
    first, second = perturbations(dataclasses.replace(QUICK, batch_size=2), task_of(bench, 0), bench.teacher())
    assert torch.equal(first, second)


def test_a_gaussian_perturbation_has_the_deviation_asked(bench: Bench) -> None:
    (change,) = perturbations(
        dataclasses.replace(QUICK, perturbation="gaussian", sigma=0.02), task_of(bench, 0), bench.teacher()
    )
    assert float(change.std()) == pytest.approx(0.02, rel=0.1)
    assert abs(float(change.mean())) < 0.003


def test_no_perturbation_gives_the_images_of_dwa_with_rho_0_bit_for_bit(
    bench: Bench,
) -> None:
    plain = dataclasses.replace(QUICK, perturbation=None, batch_size=3)
    unmoved = DWA(rho=0, iterations=4, learning_rate=0.1, jitter=2, batch_size=3)
    assert torch.equal(images_of(plain, task_of(bench, 0, 1)), images_of(unmoved, task_of(bench, 0, 1)))


def test_what_is_not_its_own_is_the_same_by_default_as_in_dwa() -> None:
    mine, theirs = (dataclasses.asdict(method) for method in (RandomPerturbation(), DWA()))
    shared = mine.keys() & theirs.keys()
    assert mine.keys() - shared == {"perturbation", "sigma"}
    assert theirs.keys() - shared == {"steps", "gradient", "accumulate"}
    assert {name: mine[name] for name in shared} == {name: theirs[name] for name in shared}


def test_the_synthesizer_keeps_the_contract_of_its_kind() -> None:
    check_synthesizer(QUICK, real_images=True)


def test_images_of_an_index_do_not_depend_on_which_others_are_made(bench: Bench) -> None:
    strong = dataclasses.replace(QUICK, rho=0.5)
    assert torch.equal(images_of(strong, task_of(bench, 0, 2))[4:], images_of(strong, task_of(bench, 2)))


def test_statistics_can_be_those_of_the_original_network(bench: Bench) -> None:
    strong = dataclasses.replace(QUICK, rho=0.5)
    on_original = dataclasses.replace(strong, statistics_on="original")
    assert not torch.equal(images_of(strong, task_of(bench, 0)), images_of(on_original, task_of(bench, 0)))


@pytest.mark.parametrize(
    ("perturbation", "absent"), [("norm-matched", {"sigma"}), ("gaussian", {"rho"}), (None, {"rho", "sigma"})]
)
def test_a_magnitude_that_is_not_used_is_no_part_of_the_identity(
    perturbation: Literal["norm-matched", "gaussian"] | None, absent: set[str]
) -> None:
    method = RandomPerturbation(perturbation=perturbation)
    assert dataclasses.asdict(method).keys() - method.identity().keys() == absent


def test_an_ipc_beyond_the_smallest_class_is_refused(bench: Bench) -> None:
    with pytest.raises(UserError, match="ipc 21"):
        QUICK.check(bench.check_task(21))
