from __future__ import annotations

import dataclasses
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch

from ddbench.errors import UserError
from ddbench.kit import device, rng
from ddbench.kit.diffusion import Diffusion, Pixels, linear_alphas
from ddbench.testing.bench import Bench
from ddbench.testing.conformance import check_generator
from ddbench.testing.toys import ToyDataset
from ddbench.types import CheckTask, LoadTask
from ddbench_diffusion_memory import extras, part, pipeline, transformer
from ddbench_diffusion_memory.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ddbench.types import DatasetSpec

WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"
CONFIG = "transformer/config.json"
SCHEDULER = "scheduler/scheduler_config.json"
INDEX = "model_index.json"
DATA = Bench().data


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a tiny model with random weights for three classes."""
    with rng.seeded(0, "weights"):
        network = device.freeze(transformer.build(size=8, channels=1, width=16, heads=2, layers=2, patch_size=4))
    folder = tmp_path_factory.mktemp("whole")
    model = Diffusion(network, Pixels(), linear_alphas(), torch.arange(3), transformer.CLASSES, (1, 8, 8))
    pipeline.save(model, folder, DATA.class_names)
    return folder


@pytest.fixture
def saved(whole: Path, tmp_path: Path) -> Path:
    """Return a copy to damage."""
    return shutil.copytree(whole, tmp_path / "saved")


def edit(path: Path, **changes: Any) -> None:
    """Change a JSON file; None removes."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


def refused(folder: Path, data: DatasetSpec = DATA) -> str:
    """Return the one line with which a folder is refused, less its path."""
    with pytest.raises(UserError) as error:
        Folder(str(folder)).check(CheckTask(data, ipc=1))
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith(f"generator folder '{folder}'")
    return line.removeprefix(f"generator folder '{folder}'").removeprefix(": ")


def load(folder: Path, data: DatasetSpec = DATA) -> Diffusion:
    return Folder(str(folder)).load(LoadTask(data, {}, torch.device("cpu")))


def test_it_keeps_the_promises_of_a_generator(whole: Path) -> None:
    check_generator(Folder(str(whole)))


def test_no_block_of_a_loaded_network_drops_a_class_by_itself(whole: Path) -> None:
    network = load(whole).network.train()
    with torch.no_grad():
        made = network(
            torch.ones(64, 1, 8, 8), timestep=torch.full((64,), 9), class_labels=torch.zeros(64).long()
        ).sample
    assert torch.equal(made, made[:1].expand_as(made))


@pytest.mark.parametrize("accelerate", [True, False])
def test_loading_leaves_the_global_random_numbers_alone(
    accelerate: bool, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddbench_diffusion_memory.saved.find_spec", lambda name: accelerate or None)
    before = torch.get_rng_state()
    load(whole)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_identity_is_of_the_content_wherever_it_lies(whole: Path, saved: Path) -> None:
    edit(saved / CONFIG, _name_or_path="elsewhere", _diffusers_version="0.1")
    edit(saved / SCHEDULER, clip_sample=True, timestep_spacing="trailing")
    (saved / "README.md").write_text("mine")
    assert Folder(str(saved)).identity() == Folder(str(whole)).identity()


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: edit(folder / CONFIG, patch_size=2),
        lambda folder: edit(folder / SCHEDULER, beta_end=0.03),
        lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1] + b"\x7f"),
    ],
)
def test_the_identity_tells_other_weights_sizes_and_schedules(
    change: Callable[[Path], None], whole: Path, saved: Path
) -> None:
    before = Folder(str(saved)).identity()
    change(saved)
    assert before == Folder(str(whole)).identity()
    assert before != Folder(str(saved)).identity()


def test_a_file_is_digested_once_as_long_as_it_stays_the_same(saved: Path) -> None:
    part._file_digest.cache_clear()
    for _ in range(3):
        Folder(str(saved)).identity()
    assert part._file_digest.cache_info().misses == 1


def test_classes_of_imagenet_are_told_by_their_place_there(saved: Path) -> None:
    edit(saved / INDEX, id2label=None)
    data = dataclasses.replace(DATA, imagenet_classes=(193, 182, 258))
    Folder(str(saved)).check(CheckTask(data, ipc=1))
    assert load(saved, data).conditions.tolist() == [193, 182, 258]
    assert load(saved).conditions.tolist() == [0, 1, 2]


def test_another_schedule_is_read(saved: Path) -> None:
    edit(saved / SCHEDULER, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    torch.testing.assert_close(load(saved).alphas_cumprod.double(), (1 - betas).cumprod(0), rtol=1e-4, atol=0)


def test_split_weights_are_the_same_network(whole: Path, saved: Path) -> None:
    from diffusers import DiTTransformer2DModel

    (saved / WEIGHTS).unlink()
    network = DiTTransformer2DModel.from_pretrained(whole / "transformer")
    network.save_pretrained(saved / "transformer", max_shard_size="100KB")
    assert not (saved / WEIGHTS).exists()
    Folder(str(saved)).check(CheckTask(DATA, ipc=1))
    ours, theirs = (load(folder).network.state_dict() for folder in (saved, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    next((saved / "transformer").glob("*-00002-of-*")).unlink()
    assert "is missing: give a folder that the save_pretrained" in refused(saved)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert refused(tmp_path / "none") == (
        "none/model_index.json is missing: give a folder that the save_pretrained of diffusers' DiTPipeline wrote"
    )


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, SCHEDULER, INDEX])
def test_a_missing_part_is_one_line(name: str, saved: Path) -> None:
    (saved / name).unlink()
    assert f"{name} is missing: give a folder" in refused(saved)


@pytest.mark.parametrize("name", [CONFIG, SCHEDULER, INDEX])
@pytest.mark.parametrize("content", ["{", "[1]", "\ufeffx"])
def test_a_configuration_that_is_none_is_one_line(name: str, content: str, saved: Path) -> None:
    (saved / name).write_text(content)
    assert name in refused(saved)


@pytest.mark.parametrize("keep", [0, 7, -1])
def test_damaged_weights_are_one_line(keep: int, saved: Path) -> None:
    path = saved / WEIGHTS
    path.write_bytes(path.read_bytes()[:keep])
    assert refused(saved).startswith(f"{WEIGHTS} is damaged (")


def test_pickled_weights_are_refused(saved: Path) -> None:
    (saved / WEIGHTS).rename(saved / "transformer" / "diffusion_pytorch_model.bin")
    assert refused(saved) == (
        "transformer/diffusion_pytorch_model.bin is a pickle, and reading one can run code: "
        "save the pipeline as safetensors"
    )


def test_more_classes_than_the_network_knows_are_one_line(saved: Path) -> None:
    edit(saved / CONFIG, num_embeds_ada_norm=2)
    assert refused(saved) == " knows 2 classes, toy has 3: take another generator"


def test_other_classes_than_those_that_it_was_saved_for_are_one_line(saved: Path) -> None:
    assert refused(saved, Bench(ToyDataset(classes=4)).data) == (
        " was saved for 3 classes, and not for those of toy: take another generator"
    )


@pytest.mark.parametrize(("params", "theirs"), [({"size": 16}, "1 and 16"), ({"channels": 3}, "3 and 8")])
def test_images_of_another_kind_are_one_line(params: dict[str, int], theirs: str, saved: Path) -> None:
    assert refused(saved, Bench(ToyDataset(**params)).data) == (
        f" makes images of 1 channels and 8 pixels, toy has {theirs}: take another generator"
    )


def test_a_network_that_estimates_something_else_than_noise_is_one_line(saved: Path) -> None:
    edit(saved / SCHEDULER, prediction_type="v_prediction")
    assert "does not estimate noise" in refused(saved)


def test_another_pipeline_or_codec_is_one_line(saved: Path) -> None:
    edit(saved / INDEX, vae=["diffusers", "VQModel"])
    assert "its autoencoder is VQModel, not AutoencoderKL" in refused(saved)
    edit(saved / INDEX, _class_name="StableDiffusionPipeline")
    assert "is a StableDiffusionPipeline, not a DiTPipeline" in refused(saved)


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        (INDEX, {"vae": ["x"]}, "its autoencoder is None, not AutoencoderKL"),
        (INDEX, {"vae": ["x", ["y"]]}, "its autoencoder is ['y'], not AutoencoderKL"),
        (INDEX, {"vae": {"a": 1}}, "model_index.json: 'vae' is dict, not list"),
        (INDEX, {"id2label": []}, "model_index.json: 'id2label' is list, not dict"),
        (CONFIG, {"in_channels": "x"}, "config.json: 'in_channels' is str, not int"),
        (CONFIG, {"in_channels": True}, "config.json has no number 'in_channels'"),
        (CONFIG, {"sample_size": 0}, "config.json has no number 'sample_size'"),
    ],
)
def test_values_of_another_kind_are_one_line(name: str, changes: dict[str, Any], said: str, saved: Path) -> None:
    edit(saved / name, **changes)
    assert said in refused(saved)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"weight_map": ["a"]}, "'weight_map' is list, not dict"),
        ({"weight_map": {"a": 1}}, "'weight_map' names no files"),
        ({"weight_map": {}}, "'weight_map' names no files"),
        ({}, "'weight_map' names no files"),
    ],
)
def test_a_map_of_split_weights_that_is_none_is_one_line(content: Any, said: str, saved: Path) -> None:
    (saved / f"{WEIGHTS}.index.json").write_text(json.dumps(content))
    assert said in refused(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"beta_start": "x"},
        {"num_train_timesteps": 10.5},
        {"beta_schedule": "unheard of"},
        {"trained_betas": ["x"]},
        {"num_train_timesteps": 0},
        {"num_train_timesteps": 1},
        {"beta_end": 5.0},
        {"beta_start": 0.0},
        {"beta_end": float("nan")},
        {"rescale_betas_zero_snr": True},
        {"trained_betas": [0.1, 0.0, 0.2]},
        {"trained_betas": [[0.1], [0.2]]},
    ],
)
def test_a_noise_schedule_that_is_none_is_one_line(changes: dict[str, Any], saved: Path) -> None:
    edit(saved / SCHEDULER, **changes)
    assert refused(saved).startswith("scheduler/scheduler_config.json makes no noise schedule")


def test_a_network_with_blocks_left_over_is_one_line(saved: Path) -> None:
    edit(saved / CONFIG, num_layers=1)
    with pytest.raises(
        UserError, match=r"transformer has transformer_blocks\.1\..* and \d+ more that its config\.json"
    ):
        load(saved)


def test_a_buffer_that_older_versions_saved_is_no_harm(whole: Path, saved: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(saved / WEIGHTS)
    save_file(weights | {"pos_embed.former": torch.zeros(1)}, saved / WEIGHTS, {"format": "pt"})
    ours, theirs = (load(folder).network.state_dict() for folder in (saved, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_weights_of_another_size_are_one_line(saved: Path) -> None:
    edit(saved / CONFIG, num_layers=3)
    with pytest.raises(UserError, match=r"transformer lacks transformer_blocks\.2\..* and \d+ more: give a folder"):
        load(saved)
    edit(saved / CONFIG, num_layers=2, attention_head_dim=16)
    with pytest.raises(UserError, match="transformer cannot be loaded") as error:
        load(saved)
    assert "\n" not in str(error.value)


def test_without_diffusers_it_says_how_to_get_it(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^generator 'folder' needs diffusers: pip install 'ddbench\[diffusion\]'$"):
        Folder(str(whole)).check(CheckTask(DATA, ipc=1))
