from __future__ import annotations

import dataclasses
import importlib.util
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
import torch

from ddbench.errors import UserError
from ddbench.plugins import discover
from ddbench.registry import Registry
from ddbench.spec import Spec
from ddbench.testing.bench import Bench, joined
from ddbench.testing.conformance import check_synthesizer
from ddbench_diffusion_memory.dit import Dit
from ddbench_diffusion_memory.synthesizer import DiffusionMemory, Minimax

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

REGISTRY = Registry(discover())
RECIPES = ("digits", "cifar10", "imagenet10")
QUICK = DiffusionMemory(epochs=1, steps=2, tuned="all", learning_rate=0.02, ema_decay=0.0)


def identity(text: str, recipe: str = "") -> dict[str, Any]:
    return dict(REGISTRY.resolve("synthesizer", Spec.parse(text), recipe).identity)


def recipe(name: str) -> Mapping[str, Mapping[str, Any]]:
    file = resources.files("ddbench_diffusion_memory") / "recipes" / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def prepared(method: DiffusionMemory, folder: Path) -> tuple[Bench, Mapping[str, Tensor]]:
    bench = Bench()
    return bench, method.prepare(bench.prepare_task(folder))


@pytest.mark.parametrize("memory", ["self-adaptive", "fifo", None])
def test_the_methods_keep_the_contract_of_their_kind(memory: Any) -> None:
    check_synthesizer(dataclasses.replace(QUICK, memory=memory))


def test_no_real_image_is_read_for_sampling(tmp_path: Path) -> None:
    bench, state = prepared(QUICK, tmp_path)
    task = dataclasses.replace(bench.synthesis_task(0, state=state), train=None)  # type: ignore[arg-type] # any look raises
    assert len(joined(QUICK.synthesize(task)).images) == 3


def test_what_is_sampled_is_the_tuned_network(tmp_path: Path) -> None:
    bench, state = prepared(QUICK, tmp_path)
    tuned = joined(QUICK.synthesize(bench.synthesis_task(0, state=state)))
    plain = joined(Dit(steps=2).synthesize(bench.synthesis_task(0)))
    untouched = joined(QUICK.synthesize(bench.synthesis_task(0, state={})))
    assert torch.equal(untouched.images, plain.images)
    assert not torch.equal(tuned.images, plain.images)


# -------------------------------------------------------------------------------------------------------- keys


def test_minimax_is_diffusion_memory_with_fifo_and_has_its_keys() -> None:
    assert identity("minimax") == identity("diffusion-memory[memory=fifo]")
    assert identity("minimax[memory=self-adaptive]") == identity("diffusion-memory")
    assert identity("minimax")["name"] == "diffusion-memory"


def test_without_memories_their_settings_are_idle() -> None:
    plain = identity("diffusion-memory[memory=none]")
    idle = "lambda_real=1,lambda_gen=1,real_memory_size=2,gen_memory_size=2,update=epoch,max_timestep=9"
    assert identity(f"diffusion-memory[memory=none,{idle}]") == plain
    assert not {"lambda_real", "real_memory_size", "update", "max_timestep"} & plain.keys()


def test_each_setting_that_matters_is_in_the_identity() -> None:
    known = identity("diffusion-memory")
    changes = {
        "lambda_real": 0.1, "lambda_gen": 0.1, "real_memory_size": 3, "gen_memory_size": 3, "update": "epoch",
        "max_timestep": 500, "tuned": "all", "learning_rate": 0.1, "epochs": 1, "batch_size": 4, "max_iterations": 7,
        "label_dropout": 0.2, "ema_decay": 0.9, "flip": False, "guidance": 1.5, "guided_channels": 1, "steps": 7,
        "scheduler": "ddim",
    }  # fmt: skip
    for name, value in changes.items():
        assert identity(str(Spec.of("diffusion-memory", {name: value}))) != known, name
    for same in ("lora_rank=3", "gradient_checkpointing=true", "images_at_once=2"):
        assert identity(f"diffusion-memory[{same}]") == known
    assert identity("diffusion-memory[tuned=lora]") != identity("diffusion-memory[tuned=lora,lora_rank=3]")


def test_sampling_does_not_decide_what_is_prepared() -> None:
    changed = DiffusionMemory(guidance=1.5, steps=7, scheduler="ddim", guided_channels=1, images_at_once=3)
    assert changed.prepare_identity() == DiffusionMemory().prepare_identity()
    assert changed.identity() != DiffusionMemory().identity()
    assert DiffusionMemory(lambda_gen=0.1).prepare_identity() != DiffusionMemory().prepare_identity()
    assert Minimax().prepare_identity() == DiffusionMemory(memory="fifo").prepare_identity()


# ---------------------------------------------------------------------------------------------------- refusals


def missing(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    found: Callable[[str], object] = importlib.util.find_spec
    monkeypatch.setattr(
        "ddbench_diffusion_memory.extras.find_spec", lambda name: None if name == package else found(name)
    )


@pytest.mark.parametrize("method", [DiffusionMemory(), Minimax(), Dit()])
def test_without_diffusers_a_plan_is_refused_with_the_command_that_installs_it(
    method: DiffusionMemory | Dit, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing(monkeypatch, "diffusers")
    with pytest.raises(UserError, match=r"needs diffusers: pip install 'ddbench\[diffusion\]'"):
        method.check(Bench().check_task())


def test_without_peft_lora_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    missing(monkeypatch, "peft")
    DiffusionMemory().check(Bench().check_task())
    with pytest.raises(UserError, match=r"tuned=lora .* needs peft: pip install 'ddbench\[lora\]'"):
        DiffusionMemory(tuned="lora").check(Bench().check_task())


def test_a_batch_larger_than_the_training_set_is_refused() -> None:
    DiffusionMemory(batch_size=60).check(Bench().check_task())
    for wrong in (DiffusionMemory(batch_size=61), Minimax(batch_size=61)):
        with pytest.raises(UserError) as error:
            wrong.check(Bench().check_task())
        assert str(error.value) == "batch_size = 61, but toy has 60 training images: set batch_size to 60 or less"


@pytest.mark.parametrize(
    ("given", "said"),
    [({"guided_channels": 3}, "guided_channels = 3"), ({"scheduler": "dpm-solver", "steps": 1000}, "steps = 1000")],
)
def test_what_the_generator_cannot_sample_is_refused_before_tuning(
    given: dict[str, Any], said: str, tmp_path: Path
) -> None:
    bench = Bench()
    with pytest.raises(UserError, match=said):
        dataclasses.replace(QUICK, **given).prepare(bench.prepare_task(tmp_path))
    assert not bench.heard


@pytest.mark.parametrize(
    "wrong",
    [
        "memory=lifo", "real_memory_size=0", "gen_memory_size=0", "lambda_real=-1", "update=never", "tuned=norm",
        "guidance=0.5", "guided_channels=-1", "steps=1", "scheduler=pndm", "label_dropout=1", "ema_decay=1",
        "epochs=0", "max_iterations=0", "lora_rank=0", "max_timestep=1000",
    ],
)  # fmt: skip
def test_values_without_meaning_are_refused(wrong: str) -> None:
    with pytest.raises(UserError, match=wrong.partition("=")[0]):
        identity(f"diffusion-memory[{wrong}]")


# ----------------------------------------------------------------------------------------------------- recipes


@pytest.mark.parametrize("name", RECIPES)
def test_the_rows_of_a_table_differ_in_the_memory_alone(name: str) -> None:
    tables = recipe(name)
    assert tables["minimax"] == tables["diffusion-memory"]
    sampled = {field.name for field in dataclasses.fields(Dit)}
    assert tables["dit"] == {key: value for key, value in tables["diffusion-memory"].items() if key in sampled}


def test_the_papers_recipe_holds_the_released_codes_numbers() -> None:
    made = REGISTRY.resolve("synthesizer", Spec.parse("diffusion-memory"), "imagenet10").component
    assert made == DiffusionMemory(generator=made.generator, guided_channels=3)
    assert made.generator.startswith("pretrained")
    numbers = (made.lambda_real, made.lambda_gen, made.real_memory_size, made.gen_memory_size)
    assert numbers == (0.002, 0.008, 64, 64)
    course = (made.learning_rate, made.epochs, made.batch_size, made.max_iterations, made.ema_decay)
    assert course == (1e-3, 8, 8, 12000, 0.9999)
    assert (made.scheduler, made.steps, made.guidance, made.label_dropout) == ("ddpm", 50, 4.0, 0.1)


def test_digits_are_not_mirrored() -> None:
    assert recipe("digits")["diffusion-memory"]["flip"] is False
