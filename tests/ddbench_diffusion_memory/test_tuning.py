from __future__ import annotations

import copy
import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from ddbench.errors import UserError
from ddbench.kit.diffusion import Diffusion, Pixels, linear_alphas
from ddbench.testing.bench import Bench
from ddbench_diffusion_memory import resumable, transformer
from ddbench_diffusion_memory.memory import directions
from ddbench_diffusion_memory.synthesizer import DiffusionMemory
from ddbench_diffusion_memory.tuning import Tuning, load, rows_of_classes, tune

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from ddbench.types import PrepareTask


def method(**given: Any) -> DiffusionMemory:
    usual: dict[str, Any] = {"tuned": "all", "max_iterations": 12, "ema_decay": 0.5}
    sizes = {"batch_size": 8, "real_memory_size": 5, "gen_memory_size": 5}
    return DiffusionMemory(**(usual | sizes | given))


def tuning(workspace: Path, **given: Any) -> Tuning:
    bench = Bench()
    return Tuning(method(**given), bench.generator(), bench.prepare_task(workspace))


def tuned_state(workspace: Path, **given: Any) -> dict[str, Tensor]:
    workspace.mkdir(exist_ok=True)
    bench = Bench()
    return tune(method(**given), bench.generator(), bench.prepare_task(workspace))


def equal(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def watched(made: Tuning, count: int) -> list[dict[str, float]]:
    return [{name: float(value) for name, value in made.step(i).items()} for i in range(count)]


# --------------------------------------------------------------------------------------------------- losses


def test_without_memories_or_with_weights_of_zero_the_loss_is_that_of_diffusion(tmp_path: Path) -> None:
    alone = watched(tuning(tmp_path, memory=None), 4)
    weightless = watched(tuning(tmp_path, lambda_real=0.0, lambda_gen=0.0), 4)
    assert [each["loss"] for each in weightless] == [each["loss"] for each in alone]
    weighed = watched(tuning(tmp_path), 4)
    assert weighed[0]["loss"] == alone[0]["loss"]  # all memories are empty
    assert weighed[1]["loss"] != alone[1]["loss"]


def test_the_total_is_the_weighted_sum(tmp_path: Path) -> None:
    plain, weighed = (watched(tuning(tmp_path, lambda_real=r, lambda_gen=g), 2)[1] for r, g in ((0.0, 0.0), (2.0, 3.0)))
    assert weighed["loss"] == pytest.approx(plain["loss"] + 2 * plain["real"] + 3 * plain["gen"], rel=1e-5)


def test_each_iteration_is_held_against_what_the_memories_knew_before(tmp_path: Path) -> None:
    numbers = watched(tuning(tmp_path), 3)
    assert (numbers[0]["real"], numbers[0]["gen"]) == (0, 0)
    assert numbers[1]["real"] > 0
    assert -1 <= numbers[1]["gen"] < 0.9999  # its own estimates, cosine 1, are not among them yet


def test_the_memories_hold_latents_and_estimates_with_their_times(tmp_path: Path) -> None:
    made = tuning(tmp_path, memory="fifo", real_memory_size=64, gen_memory_size=64, flip=False)
    watched(made, 3)
    bench = Bench()
    real = made.parts["real"].tensors()
    images = bench.train.images(slice(None)).float().div(127.5).sub(1)
    known = directions(images)
    for vector, label in zip(real["directions"], real["classes"].tolist(), strict=True):
        places = (known @ vector > 1 - 1e-5).nonzero().flatten()
        assert bench.train.labels[places].tolist() == [label] * len(places)
        assert len(places) == 1
    generated = made.parts["generated"].tensors()
    assert torch.equal(real["timesteps"], generated["timesteps"])
    assert sorted(real["iterations"].tolist()) == [0] * 8 + [1] * 8 + [2] * 8


def test_items_at_late_timesteps_neither_count_nor_are_remembered(tmp_path: Path) -> None:
    made = tuning(tmp_path, max_timestep=400, real_memory_size=64, gen_memory_size=64)
    watched(made, 7)
    for which in ("real", "generated"):
        steps = made.parts[which].tensors()["timesteps"]
        assert 0 < len(steps) < 56
        assert int(steps.max()) < 400


def test_rows_of_classes_leaves_out_what_does_not_count() -> None:
    labels = torch.tensor([2, 0, 2, 1, 0])
    rows = rows_of_classes(labels, torch.tensor([True, True, True, False, False]))
    assert {label: at.tolist() for label, at in rows.items()} == {0: [1], 2: [0, 2]}


def test_the_memory_terms_reach_the_network_through_the_estimate_alone(tmp_path: Path) -> None:
    made = tuning(tmp_path, lambda_real=1e3, lambda_gen=1e3)
    watched(made, 2)
    batch = made._batch(2)
    noised = made._model.noised(batch.latents, batch.noise, batch.timesteps)
    predicted = made._model.predict(noised, batch.timesteps, batch.told)
    estimates = made._model.estimate(noised, predicted, batch.timesteps)
    losses = made._remember(2, batch, estimates)
    (slope,) = torch.autograd.grad(sum(losses), estimates, retain_graph=True)  # type: ignore[arg-type] # a scalar
    assert float(slope.abs().sum()) > 0
    by_hand = torch.autograd.grad(estimates, list(made._average.live.values()), slope, retain_graph=True)
    found = torch.autograd.grad(sum(losses), list(made._average.live.values()))  # type: ignore[arg-type] # likewise
    assert all(torch.allclose(one, other) for one, other in zip(by_hand, found, strict=True))
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(sum(made._remember(3, batch, estimates.detach())), list(made._average.live.values()))  # type: ignore[arg-type] # likewise


# ---------------------------------------------------------------------------------------------------- draws


class Noting:
    """Hands out zeros, and notes what was asked."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.mirrored: list[bool] = []

    def batch(self, indices: Tensor, mirrored: Tensor, generator: torch.Generator) -> Tensor:
        self.taken += indices.tolist()
        self.mirrored += mirrored.tolist()
        return torch.zeros(len(indices), 1, 8, 8)


def test_an_epoch_takes_every_image_once_and_drops_what_is_left(tmp_path: Path) -> None:
    made, noting = tuning(tmp_path), Noting()
    made._latents = noting
    for i in range(14):
        made._batch(i)
    first, second = noting.taken[:56], noting.taken[56:]  # 60 images in batches of 8
    assert len(set(first)) == len(set(second)) == 56
    assert first != second


def test_a_class_is_dropped_once_per_item_by_the_share_that_is_asked(tmp_path: Path) -> None:
    for share in (0.0, 0.1, 0.5):
        made = tuning(tmp_path, label_dropout=share)
        told = torch.cat([made._batch(i).told for i in range(200)])
        assert float((told == 3).float().mean()) == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize(("flip", "share"), [(True, 0.5), (False, 0.0)])
def test_half_of_the_images_are_mirrored_unless_none_are(flip: bool, share: float, tmp_path: Path) -> None:
    made, noting = tuning(tmp_path, flip=flip), Noting()
    made._latents = noting
    for i in range(100):
        made._batch(i)
    assert sum(noting.mirrored) / 800 == pytest.approx(share, abs=0.05)


def test_iterations_end_with_the_epochs_or_earlier(tmp_path: Path) -> None:
    assert method(epochs=2, batch_size=8).iterations(60) == 12
    assert method(epochs=1, batch_size=8).iterations(60) == 7
    state = tuned_state(tmp_path, epochs=1)
    assert state["iterations"].tolist() == [7]


# ------------------------------------------------------------------------------------------------- the course


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize(
    ("memory", "update"),
    [("self-adaptive", "iteration"), ("self-adaptive", "epoch"), ("fifo", "iteration"), (None, "iteration")],
)
def test_a_killed_tuning_ends_at_the_same_weights_and_memories(
    memory: str | None, update: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"memory": memory, "update": update}
    undisturbed = tuned_state(tmp_path / "undisturbed", **given)
    step, steps, fatal = Tuning.step, list[int](), [9]

    def mortal(self: Tuning, i: int) -> Mapping[str, Tensor]:
        if i in fatal:
            raise KilledError
        steps.append(i)
        return step(self, i)

    monkeypatch.setattr(Tuning, "step", mortal)
    monkeypatch.setattr(resumable, "run", partial(resumable.run, seconds=0.0))
    with pytest.raises(KilledError):
        tuned_state(tmp_path / "killed", **given)
    fatal.clear()
    resumed = tuned_state(tmp_path / "killed", **given)
    assert steps == list(range(12))  # none twice
    assert equal(resumed, undisturbed)


def test_the_same_seed_gives_the_same_and_another_does_not(tmp_path: Path) -> None:
    bench = Bench()
    states = []
    for number, seed in enumerate((0, 0, 1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        states.append(tune(method(), bench.generator(), bench.prepare_task(folder, seed)))
    assert equal(states[0], states[1])
    assert not equal(states[0], states[2])


def test_what_is_returned_is_the_average_and_a_fresh_copy_takes_it(tmp_path: Path) -> None:
    bench, fresh = Bench(), Bench().generator().network
    state = tuned_state(tmp_path, memory=None, ema_decay=0.0)
    average = tuned_state(tmp_path, memory=None, ema_decay=0.999)
    load(fresh, state)
    before = dict(bench.generator().network.named_parameters())
    for name, value in fresh.named_parameters():
        assert torch.equal(value, state[f"weights/{name}"])
        way = (value - before[name]).abs().max()
        assert float(way) > 0
        assert float((average[f"weights/{name}"] - before[name]).abs().max()) < 0.02 * float(way)


def test_the_average_keeps_its_decay_from_the_first_iteration_on(tmp_path: Path) -> None:
    made = tuning(tmp_path, ema_decay=0.75)
    name, before = next((name, value.detach().clone()) for name, value in made._average.live.items())
    made.step(0)
    expected = 0.75 * before + 0.25 * made._average.live[name]
    assert torch.allclose(made._average.kept[name], expected, atol=1e-7)


def test_progress_is_told_from_the_first_to_the_last_iteration(tmp_path: Path) -> None:
    bench = Bench()
    tune(method(), bench.generator(), bench.prepare_task(tmp_path))
    assert bench.heard == [(done, 12) for done in range(13)]


def test_a_loss_that_is_not_finite_ends_the_tuning(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        tuned_state(tmp_path, learning_rate=1e30)


def test_too_little_memory_is_told_with_its_remedy_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Tuning.step

    def full(self: Tuning, i: int) -> Mapping[str, Tensor]:
        if i == 5:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        return step(self, i)

    monkeypatch.setattr(Tuning, "step", full)
    monkeypatch.setattr(resumable, "run", partial(resumable.run, seconds=0.0))
    with pytest.raises(
        UserError, match=r"batch_size = 8: set gradient_checkpointing=true or a smaller batch_size .*last checkpoint"
    ):
        tuned_state(tmp_path)
    assert (tmp_path / resumable.CHECKPOINT).exists()


def test_too_little_memory_before_the_first_step_is_told_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object, **named: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr("ddbench_diffusion_memory.latents.of", full)
    with pytest.raises(UserError, match="batch_size = 8: set gradient_checkpointing=true or a smaller batch_size"):
        tuned_state(tmp_path)


# --------------------------------------------------------------------------------------------- transformers


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    made = transformer.build(size=8, channels=1, width=16, heads=2, layers=2, patch_size=4)
    return made.eval().requires_grad_(requires_grad=False)


class WithVariance(nn.Module):
    """A network that gives a variance beside the noise."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.log = nn.Parameter(torch.zeros(1))

    def forward(self, noised: Tensor, **given: Any) -> tuple[Tensor]:
        noise = self.network(noised, **given)[0]
        return (torch.cat((noise, self.log.expand_as(noise)), dim=1),)


def of(network: nn.Module, bench: Bench) -> Diffusion:
    return Diffusion(network, Pixels(), linear_alphas(), torch.arange(3), 1000, (1, 8, 8))


def course(network: nn.Module, workspace: Path, **given: Any) -> Mapping[str, Tensor]:
    bench = Bench()
    task: PrepareTask = bench.prepare_task(workspace)
    return tune(method(**({"max_iterations": 3} | given)), of(copy.deepcopy(network), bench), task)


@pytest.mark.parametrize("which", ["bias", "lora", "all"])
def test_a_transformer_is_tuned_and_loads_what_came_of_it(network: nn.Module, which: str, tmp_path: Path) -> None:
    state = course(network, tmp_path, tuned=which)
    fresh = copy.deepcopy(network)
    load(fresh, state)
    changed = {name for name, value in fresh.named_parameters() if not torch.equal(value, network.get_parameter(name))}
    assert changed
    assert changed <= {name.removeprefix("weights/") for name in state}


def test_gradient_checkpointing_changes_no_weight(network: nn.Module, tmp_path: Path) -> None:
    plain, frugal = tmp_path / "plain", tmp_path / "frugal"
    for folder in (plain, frugal):
        folder.mkdir()
    expected, found = course(network, plain), course(network, frugal, gradient_checkpointing=True)
    assert all(torch.allclose(found[name], expected[name], atol=1e-6) for name in expected)


def test_gradient_checkpointing_computes_each_block_twice(network: nn.Module, tmp_path: Path) -> None:
    for frugal, calls in ((False, 1), (True, 2)):
        watching, called = copy.deepcopy(network), list[nn.Module]()
        block = watching.get_submodule("transformer_blocks.0")
        block.register_forward_pre_hook(lambda module, given, called=called: called.append(module))
        folder = tmp_path / str(frugal)
        folder.mkdir()
        bench = Bench()
        task = bench.prepare_task(folder)
        Tuning(method(gradient_checkpointing=frugal), of(watching, bench), task).step(0)
        assert called == [block] * calls


def test_gradient_checkpointing_of_a_network_that_has_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="set gradient_checkpointing=false"):
        tuning(tmp_path, gradient_checkpointing=True)


def test_a_learned_variance_is_tuned_too(network: nn.Module, tmp_path: Path) -> None:
    state = course(WithVariance(network), tmp_path)
    assert float(state["weights/log"]) != 0


def test_bfloat16_rounds_the_products_and_keeps_weights_and_memories_in_float32(
    network: nn.Module, tmp_path: Path
) -> None:
    bench = Bench()
    task = bench.prepare_task(tmp_path)
    task = dataclasses.replace(task, compute=dataclasses.replace(task.compute, precision="bfloat16"))
    state = tune(method(max_iterations=3), of(copy.deepcopy(network), bench), task)
    floats = {value.dtype for value in state.values() if value.is_floating_point()}
    assert floats == {torch.float32}
    plain = course(network, tmp_path)
    assert plain.keys() == state.keys()
    assert any(not torch.equal(state[name], plain[name]) for name in plain if name.startswith("weights/"))
