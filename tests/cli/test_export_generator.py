"""``ddbench export-generator``: a generative model as its library saves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]

SMALL = "scratch[heads=2,layers=1,steps=3,warmup_steps=0,width=16]"
SYNTH = f"diffusion-memory[generator={SMALL},max_iterations=2]"
STUDENT = ("--labels", "hard", "--eval", "convnet", "--evaluator", "standard[epochs=1]", "--seeds", "0", "--ipc", "1")


@pytest.fixture
def export(command: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return a function that exports a model from the test's own store, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *options: command("export-generator", *options, "--store", "store")


@pytest.fixture
def stored(command: Call, export: Call) -> None:
    """Run the smallest diffusion model there is."""
    assert command("run", "--synth", SYNTH, *STUDENT, "--store", "store", "--executor", "serial").code == 0


@pytest.mark.usefixtures("stored")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers")
def test_the_model_that_a_method_samples_is_what_diffusers_and_the_generator_folder_read(export: Call) -> None:
    import torch
    from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

    from ddbench.store import Store

    assert export("tuned", "--synth", SYNTH).code == 0
    assert export("plain", "--synth", f"dit[generator={SMALL}]").code == 0
    tuned, plain = (
        DiTTransformer2DModel.from_pretrained(folder, subfolder="transformer").state_dict()
        for folder in ("tuned", "plain")
    )
    held = {artifact.kind: artifact for artifact in Store(Path("store")).artifacts()}
    weights, state = held["pretrain"].tensors("weights"), held["prepare"].tensors("state")
    assert all(torch.equal(plain[name], value) for name, value in weights.items())
    for name, value in state.items():
        if name.startswith("weights/"):
            assert torch.equal(tuned[name.removeprefix("weights/")], value)
    assert any(not torch.equal(plain[name], tuned[name]) for name in plain)


@pytest.mark.usefixtures("stored")
def test_a_folder_that_is_there_is_left_alone(export: Call) -> None:
    Path("mine").mkdir()
    ended = export("mine", "--synth", SYNTH)
    assert (ended.code, ended.err) == (2, "Error: mine is there already: name a new folder\n")


def test_a_model_that_was_not_made_yet_is_told_with_the_command_that_makes_it(export: Call) -> None:
    ended = export("mine", "--synth", SYNTH)
    assert ended.code == 2
    assert f"has no such model; to make it: ddbench run --synth '{SYNTH}' --store store --labels hard" in ended.err
    assert not Path("mine").exists()


def test_a_method_without_a_generative_model_and_a_list_of_methods_are_refused(export: Call) -> None:
    assert "Error: synthesizer 'random' samples no generative model" in export("mine", "--synth", "random").err
    ended = export("mine", "--synth", f"{SYNTH},dit[generator={SMALL}]")
    assert "Error: name one synthesizer and one data set: a folder holds one model" in ended.err


@pytest.mark.usefixtures("stored")
def test_a_damaged_state_is_one_line_and_nothing_is_written(export: Call) -> None:
    [path] = Path("store").glob("prepare/*/*/state.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    ended = export("mine", "--synth", SYNTH)
    assert ended.code == 2
    assert "does not match its checksum; 'ddbench cache verify' removes it" in ended.err
    assert ended.err.count("\n") == 1
    assert not Path("mine").exists()
