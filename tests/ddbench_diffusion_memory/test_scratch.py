from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from sklearn.svm import SVC

from ddbench.errors import UserError
from ddbench.kit import rng
from ddbench.kit.diffusion import Diffusion, Pixels, linear_alphas
from ddbench.testing.bench import Bench
from ddbench.testing.conformance import check_generator
from ddbench.testing.toy_diffusion import MeanOfClass
from ddbench.testing.toys import ToyDataset, ToyExamples
from ddbench.types import CheckTask, Compute, LoadTask, Place, PretrainTask, SynthesisTask
from ddbench_datasets.digits import Digits
from ddbench_diffusion_memory import extras, resumable, sampling, transformer
from ddbench_diffusion_memory.latents import of as latents_of
from ddbench_diffusion_memory.pretraining import Training
from ddbench_diffusion_memory.scratch import Scratch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

CPU = torch.device("cpu")


def tiny(**given: Any) -> Scratch:
    usual = {"width": 16, "heads": 2, "layers": 2, "patch_size": 4, "steps": 4, "warmup_steps": 1, "batch_size": 8}
    return Scratch(**(usual | given))


def refused(generator: Scratch, bench: Bench) -> str:
    with pytest.raises(UserError) as error:
        generator.check(CheckTask(bench.data, ipc=1))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_it_keeps_the_promises_of_a_generator() -> None:
    check_generator(tiny())


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    bench, losses = Bench(), list[float]()
    compute = dataclasses.replace(
        bench.compute(0), progress=lambda done, total, **numbers: losses.extend(numbers.values())
    )
    task = dataclasses.replace(bench.pretrain_task(tmp_path), compute=compute)
    tiny(steps=60, width=32, batch_size=32, learning_rate=1e-2).pretrain(task)
    assert len(losses) == 60
    assert losses[0] > 0.9  # a network that knows nothing: the variance of the noise
    assert sum(losses[-10:]) / 10 < 0.6


def test_killed_and_resumed_it_gives_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "run", partial(resumable.run, seconds=0.0))
    bench, generator = Bench(), tiny()
    (tmp_path / "whole").mkdir()
    whole = generator.pretrain(bench.pretrain_task(tmp_path / "whole"))

    def stop(done: int, total: int, **numbers: float) -> None:
        if done == 3:
            raise KeyboardInterrupt

    task = bench.pretrain_task(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        generator.pretrain(dataclasses.replace(task, compute=dataclasses.replace(task.compute, progress=stop)))
    bench.heard.clear()
    resumed = generator.pretrain(task)
    assert bench.heard[0] == (2, 4)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_another_seed_trains_another_network(tmp_path: Path) -> None:
    bench = Bench()
    ours, theirs = (tiny().pretrain(bench.pretrain_task(tmp_path / str(seed), seed)) for seed in (0, 1))
    assert not any(torch.equal(ours[name], theirs[name]) for name in ours)


def test_bfloat16_rounds_the_products_and_keeps_weights_in_float32(tmp_path: Path) -> None:
    task = Bench().pretrain_task(tmp_path)
    plain = tiny().pretrain(task)
    rounded = tiny().pretrain(
        dataclasses.replace(task, compute=dataclasses.replace(task.compute, precision="bfloat16"))
    )
    assert {tensor.dtype for tensor in rounded.values()} == {torch.float32}
    assert any(not torch.equal(rounded[name], plain[name]) for name in plain)


@pytest.mark.parametrize("place", ["latents.of", "pretraining.Training.step"])
def test_too_little_memory_is_told_with_its_remedy(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object, **named: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(f"ddbench_diffusion_memory.{place}", full)
    with pytest.raises(UserError, match=r"batch_size = 8 of generator 'scratch': set a smaller .* last checkpoint"):
        tiny().pretrain(Bench().pretrain_task(tmp_path))


def test_no_block_drops_a_class_by_itself() -> None:
    network = transformer.build(size=8, channels=1, width=16, heads=2, layers=3, patch_size=2).train()
    told, times = torch.zeros(64, dtype=torch.int64), torch.full((64,), 500)
    with torch.no_grad():
        made = network(torch.ones(64, 1, 8, 8), timestep=times, class_labels=told).sample
    assert torch.equal(made, made[:1].expand_as(made))


def test_every_block_has_a_table_of_a_thousand_classes_and_of_none() -> None:
    network = transformer.build(size=8, channels=1, width=16, heads=2, layers=2, patch_size=2)
    tables = [tensor for name, tensor in network.state_dict().items() if "embedding_table" in name]
    assert [tuple(table.shape) for table in tables] == [(1001, 16)] * 2


class Watching(MeanOfClass):
    """Knows images that are nothing but the mean of their class, and notes what it is asked."""

    deviation = 0.0
    told: Tensor
    times: Tensor

    def forward(
        self, noised: Tensor, timestep: Tensor, class_labels: Tensor, *, return_dict: bool = False
    ) -> tuple[Tensor]:
        self.told, self.times = class_labels, timestep
        return super().forward(noised, timestep, class_labels, return_dict=return_dict)


def exact(tmp_path: Path, settings: Scratch, means: Tensor) -> tuple[Training, Watching]:
    """Return a training on images that are nothing but the mean of their class, of a network that knows these."""
    bench = Bench()
    network = Watching(means.float() / 127.5 - 1, linear_alphas())
    model = Diffusion(network, Pixels(), linear_alphas(), torch.arange(3), 3, (1, 8, 8))
    task = dataclasses.replace(bench.pretrain_task(tmp_path), train=ToyExamples(means, torch.arange(3)))
    live = dict(network.named_parameters())
    optimizer = torch.optim.SGD(live.values(), lr=0.0)
    average, clean = resumable.Average.of(live, 0.9), latents_of(model.codec, task, mirrored=settings.flip)
    return Training(model, optimizer, average, clean, model.conditions, settings, task.compute), network


def random_means(*, symmetric: bool) -> Tensor:
    means = torch.randint(0, 256, (3, 1, 8, 8), generator=rng.generator(0), dtype=torch.uint8)
    return torch.cat((means[..., :4], means[..., :4].flip(-1)), dim=-1) if symmetric else means


def test_a_network_that_knows_the_images_has_no_loss(tmp_path: Path) -> None:
    training, network = exact(tmp_path, tiny(label_dropout=0.0, flip=False), random_means(symmetric=False))
    assert training.step(0)["loss"].item() == pytest.approx(0, abs=1e-6)
    assert len(set(network.told.tolist())) > 1


def test_images_are_mirrored_only_where_asked(tmp_path: Path) -> None:
    for symmetric, flip, right in ((False, True, False), (True, True, True), (False, False, True)):
        training, _ = exact(tmp_path, tiny(label_dropout=0.0, flip=flip), random_means(symmetric=symmetric))
        assert (training.step(0)["loss"].item() < 1e-6) == right


def test_without_its_classes_the_network_is_told_of_none(tmp_path: Path) -> None:
    training, network = exact(tmp_path, tiny(label_dropout=1.0, flip=False), random_means(symmetric=False))
    assert training.step(0)["loss"].item() > 0.01
    assert network.told.tolist() == [3] * 8


def test_what_a_step_draws_depends_on_its_number_alone(tmp_path: Path) -> None:
    training, network = exact(tmp_path, tiny(), random_means(symmetric=False))
    asked: dict[int, list[tuple[list[int], list[int]]]] = {}
    for i in (0, 1, 2, 1, 0):
        training.step(i)
        asked.setdefault(i, []).append((network.told.tolist(), network.times.tolist()))
    assert all(first == again for first, again in (asked[0], asked[1]))
    assert asked[0][0] != asked[1][0] != asked[2][0]


def test_steps_are_drawn_evenly(tmp_path: Path) -> None:
    training, network = exact(tmp_path, tiny(batch_size=4000), random_means(symmetric=False))
    training.step(0)
    times = network.times.double()
    assert times.min() < 5
    assert times.max() > 994
    assert times.mean().item() == pytest.approx(499.5, abs=3 * 288.7 / 4000**0.5)


def test_classes_of_imagenet_are_told_by_their_place_there(tmp_path: Path) -> None:
    bench = Bench()
    data = dataclasses.replace(bench.data, imagenet_classes=(193, 182, 258))
    weights = tiny().pretrain(dataclasses.replace(bench.pretrain_task(tmp_path), data=data))
    model = tiny().load(LoadTask(data, weights, CPU))
    assert model.conditions.tolist() == [193, 182, 258]
    assert model.null == 1000


def test_loading_leaves_the_global_random_numbers_alone(tmp_path: Path) -> None:
    bench = Bench()
    weights = tiny().pretrain(bench.pretrain_task(tmp_path))
    before = torch.get_rng_state()
    tiny().load(bench.load_task(weights))
    assert torch.equal(torch.get_rng_state(), before)


def test_images_that_are_no_whole_number_of_patches_are_one_line() -> None:
    assert refused(tiny(patch_size=3), Bench()) == (
        "images of 8 pixels cannot be cut into patches of 3: set patch_size of generator 'scratch' to a divisor of 8"
    )


def test_too_many_classes_are_one_line() -> None:
    assert refused(tiny(), Bench(ToyDataset(classes=1001))).startswith("generator 'scratch' knows 1000 classes")


def test_without_diffusers_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    assert refused(tiny(), Bench()) == "generator 'scratch' needs diffusers: pip install 'ddbench[diffusion]'"


@pytest.mark.parametrize("given", [{"width": 20, "heads": 3}, {"steps": 4, "warmup_steps": 4}])
def test_parameters_that_do_not_go_together_are_refused(given: Mapping[str, int]) -> None:
    with pytest.raises(ValueError, match="="):
        tiny(**given)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers under numpy 2
def test_a_judge_of_real_digits_knows_the_samples_of_a_short_training(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path)
    digits = Digits()
    data, train = digits.spec(place), digits.open("train", place)
    compute = Compute(CPU, "float32", 0, lambda done, total, **numbers: None)
    generator = Scratch(layers=2, steps=1000, learning_rate=4e-3, flip=False)
    weights = generator.pretrain(PretrainTask(data, train, compute, tmp_path, tmp_path))
    model = generator.load(LoadTask(data, weights, CPU))
    settings = sampling.Sampling(20, 1.25, 0, "dpm-solver", 50)
    task = SynthesisTask(data, train, torch.nn.Identity, {}, tuple(range(30)), 0, compute)
    made = list(sampling.draw(model, task, settings))
    judge = SVC(gamma=0.064, C=10).fit(numbers(train.images(slice(None))), train.labels.numpy())
    labels = torch.cat([batch.labels for batch in made]).numpy()
    assert judge.score(numbers(torch.cat([batch.images for batch in made])), labels) >= 0.85


def numbers(images: Tensor) -> Any:
    return images.flatten(1).double().div(127.5).sub(1).numpy()
