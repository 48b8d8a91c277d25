from __future__ import annotations

import dataclasses
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch

from ddbench.errors import UserError
from ddbench.kit import device, rng
from ddbench.kit.diffusion import Diffusion, linear_alphas
from ddbench.testing.bench import Bench
from ddbench.testing.conformance import check_generator
from ddbench.testing.toys import ToyDataset
from ddbench.types import CheckTask, DatasetSpec, LoadTask
from ddbench_diffusion_memory import pipeline
from ddbench_diffusion_memory.autoencoder import Autoencoder
from ddbench_diffusion_memory.pretrained import Pretrained

if TYPE_CHECKING:
    from pathlib import Path

REPO, VAE = "facebook/DiT-XL-2-256", "stabilityai/sd-vae-ft-ema"
LEGACY = {"_class_name": "Transformer2DModel", "caption_channels": None, "num_vector_embeds": None}


class Imagenet(ToyDataset):
    """Toys that pretend to be three classes of ImageNet, in colour."""

    def spec(self, place: Any) -> DatasetSpec:
        return dataclasses.replace(super().spec(place), imagenet_classes=(193, 182, 258))


@pytest.fixture
def bench() -> Bench:
    return Bench(Imagenet(size=16, channels=3))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a tiny pipeline of latents as it would be published: one transformer with a variance, one autoencoder."""
    from diffusers import AutoencoderKL, DiTTransformer2DModel

    with rng.seeded(0, "weights"):
        network = DiTTransformer2DModel(
            num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=2, sample_size=8
        )
        autoencoder = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(4, 4), layers_per_block=1, norm_num_groups=2, sample_size=16,
        )  # fmt: skip
    folder = tmp_path_factory.mktemp("published")
    codec = Autoencoder(device.freeze(autoencoder))
    model = Diffusion(device.freeze(network), codec, linear_alphas(), torch.arange(1000), 1000, (4, 8, 8))
    pipeline.save(model, folder, [f"class {number}" for number in range(1000)])
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | LEGACY))
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache of the hub, empty."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def fetch(repo: str, source: Path, cache: Path) -> Path:
    """Lay a folder down as the hub's client does; returns where."""
    home = cache / f"models--{repo.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("0123abc")
    return shutil.copytree(source, home / "snapshots" / "0123abc")


def refused(generator: Pretrained, bench: Bench) -> str:
    with pytest.raises(UserError) as error:
        generator.check(CheckTask(bench.data, ipc=1))
    assert "\n" not in str(error.value)
    return str(error.value)


def load(generator: Pretrained, bench: Bench) -> Diffusion:
    return generator.load(LoadTask(bench.data, {}, torch.device("cpu")))


def test_it_keeps_the_promises_of_a_generator(published: Path, cache: Path, bench: Bench) -> None:
    fetch(REPO, published, cache)
    check_generator(Pretrained(), bench)


def test_it_is_what_was_published(published: Path, cache: Path, bench: Bench) -> None:
    from diffusers import DiTTransformer2DModel

    fetch(REPO, published, cache)
    model = load(Pretrained(), bench)
    assert (model.latent_shape, model.null, model.conditions.tolist()) == ((4, 8, 8), 1000, [193, 182, 258])
    assert isinstance(model.codec, Autoencoder)
    assert model.codec.scale == 0.18215
    with torch.no_grad():
        predicted = model.predict(torch.ones(1, 4, 8, 8), torch.tensor([5]), torch.tensor([193]))
        theirs = DiTTransformer2DModel.from_pretrained(published / "transformer")
        expected = theirs(torch.ones(1, 4, 8, 8), timestep=torch.tensor([5]), class_labels=torch.tensor([193])).sample
    assert torch.equal(predicted, expected)


def test_weights_in_the_old_format_are_read_without_running_code(published: Path, cache: Path, bench: Bench) -> None:
    from safetensors.torch import load_file

    fetch(REPO, published, cache)
    expected = load(Pretrained(), bench)
    shutil.rmtree(cache)
    for weights in fetch(REPO, published, cache).rglob("*.safetensors"):
        torch.save(load_file(weights), weights.with_suffix(".bin"))
        weights.unlink()
    Pretrained().check(CheckTask(bench.data, ipc=1))
    ours = load(Pretrained(), bench).network.state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in expected.network.state_dict().items())
    assert not list(cache.rglob("*.safetensors"))


def test_a_pickle_that_would_run_code_is_one_line(published: Path, cache: Path, bench: Bench) -> None:
    path = fetch(REPO, published, cache) / "transformer" / "diffusion_pytorch_model.safetensors"
    torch.save({"weight": print}, path.with_suffix(".bin"))
    path.unlink()
    with pytest.raises(UserError, match=r"^facebook/DiT-XL-2-256: transformer cannot be loaded") as error:
        load(Pretrained(), bench)
    assert "\n" not in str(error.value)


def test_an_autoencoder_of_its_own_takes_the_place_of_the_pipelines(published: Path, cache: Path, bench: Bench) -> None:
    fetch(REPO, published, cache)
    before = Pretrained().identity()
    config = fetch(VAE, published / "vae", cache) / "config.json"
    assert Pretrained(vae=VAE).identity() == before  # it is the same one
    config.write_text(json.dumps(json.loads(config.read_text()) | {"scaling_factor": 0.5}))
    assert Pretrained(vae=VAE).identity() != before
    model = load(Pretrained(vae=VAE), bench)
    assert isinstance(model.codec, Autoencoder)
    assert model.codec.scale == 0.5


def test_what_is_not_on_this_machine_is_one_line_that_says_how_it_gets_there(cache: Path, bench: Bench) -> None:
    assert refused(Pretrained(), bench) == (
        "generator 'pretrained': facebook/DiT-XL-2-256 is not on this machine: run 'hf download facebook/DiT-XL-2-256' "
        f"where there is a network, and bring what it writes into {cache} here"
    )


def test_an_autoencoder_that_is_not_on_this_machine_too(published: Path, cache: Path, bench: Bench) -> None:
    fetch(REPO, published, cache)
    assert refused(Pretrained(vae=VAE), bench).startswith(f"generator 'pretrained': {VAE} is not on this machine")


def test_a_download_that_is_not_whole_is_one_line(published: Path, cache: Path, bench: Bench) -> None:
    (fetch(REPO, published, cache) / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert refused(Pretrained(), bench) == (
        "facebook/DiT-XL-2-256: vae/diffusion_pytorch_model.safetensors is missing: run 'hf download "
        f"facebook/DiT-XL-2-256' where there is a network, and bring what it writes into {cache} here"
    )


def test_data_of_other_classes_is_one_line(cache: Path) -> None:
    assert refused(Pretrained(), Bench()) == (
        "generator 'pretrained' knows the classes of ImageNet-1K, and toy has others: "
        "take 'scratch', or a data set of ImageNet"
    )


def test_images_of_another_size_are_one_line(published: Path, cache: Path) -> None:
    fetch(REPO, published, cache)
    assert refused(Pretrained(), Bench(Imagenet(size=32, channels=3))) == (
        "facebook/DiT-XL-2-256 makes images of 3 channels and 16 pixels, toy has 3 and 32: take another generator"
    )


def test_a_name_that_is_no_repository_is_one_line(cache: Path, bench: Bench) -> None:
    said = refused(Pretrained(repo="a/b/c"), bench)
    assert said.startswith("generator 'pretrained': a/b/c is no folder and no repository (Repo id must be in the form")


def test_a_folder_will_do_and_is_what_the_repository_is(published: Path, cache: Path, bench: Bench) -> None:
    fetch(REPO, published, cache)
    fetch(VAE, published / "vae", cache)
    ours = Pretrained(repo=str(published), vae=str(published / "vae"))
    assert ours.identity() == Pretrained(vae=VAE).identity()
    check_generator(ours, bench)


def test_a_plain_copy_with_weights_in_the_old_format_will_do(published: Path, tmp_path: Path, bench: Bench) -> None:
    from safetensors.torch import load_file

    folder = shutil.copytree(published, tmp_path / "copy")
    for weights in folder.rglob("*.safetensors"):
        torch.save(load_file(weights), weights.with_suffix(".bin"))
        weights.unlink()
    Pretrained(repo=str(folder)).check(CheckTask(bench.data, ipc=1))
    assert load(Pretrained(repo=str(folder)), bench).latent_shape == (4, 8, 8)


def test_a_folder_without_a_pipeline_is_one_line(tmp_path: Path, bench: Bench) -> None:
    said = refused(Pretrained(repo=str(tmp_path)), bench)
    assert said.startswith(f"{tmp_path}: {tmp_path.name}/model_index.json is missing: give a folder that holds a whole")
