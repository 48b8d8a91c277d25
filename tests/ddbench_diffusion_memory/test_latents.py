from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from diffusers.configuration_utils import FrozenDict
from torch import nn

from ddbench.errors import UserError
from ddbench.kit import reading, rng
from ddbench.kit.diffusion import Pixels
from ddbench.testing.bench import Bench
from ddbench.testing.toys import ToyDataset
from ddbench_diffusion_memory import latents
from ddbench_diffusion_memory.autoencoder import Autoencoder

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

CHOSEN = torch.tensor([5, 0, 41, 5])
NONE = torch.zeros(4, dtype=torch.bool)
SOME = torch.tensor([True, False, True, False])


class Counting(nn.Module):
    """An autoencoder without deviation whose latents are the images, times a weight."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.config = FrozenDict(scaling_factor=1.0)
        self.weight = nn.Parameter(torch.tensor([weight]), requires_grad=False)
        self.encoded = 0

    def encode(self, images: Tensor) -> SimpleNamespace:
        self.encoded += len(images)
        mean = images * self.weight
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=mean, std=torch.zeros_like(mean)))


def real(bench: Bench, indices: Tensor) -> Tensor:
    """Return images in [-1, 1]."""
    return bench.train.images(indices).float() / 127.5 - 1


def expected(bench: Bench, mirrored: Tensor) -> Tensor:
    pairs = zip(real(bench, CHOSEN), mirrored.tolist(), strict=True)
    return torch.stack([image[..., list(range(7, -1, -1))] if mirror else image for image, mirror in pairs])


def lot() -> torch.Generator:
    return rng.generator(0, "draw")


@pytest.mark.parametrize("mirrored", [NONE, SOME])
def test_of_a_model_of_pixels_latents_are_the_images(mirrored: Tensor, tmp_path: Path) -> None:
    bench = Bench()
    made = latents.of(Pixels(), bench.pretrain_task(tmp_path), mirrored=True).batch(CHOSEN, mirrored, lot())
    torch.testing.assert_close(made, expected(bench, mirrored))
    assert made.dtype == torch.float32
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mirrored", [NONE, SOME])
def test_of_an_autoencoder_they_come_from_kept_posteriors(mirrored: Tensor, tmp_path: Path) -> None:
    bench, network = Bench(), Counting(2.0)
    kept = latents.of(Autoencoder(network), bench.pretrain_task(tmp_path), mirrored=True)
    assert network.encoded == 2 * len(bench.train.labels)
    torch.testing.assert_close(kept.batch(CHOSEN, mirrored, lot()), 2 * expected(bench, mirrored))
    assert network.encoded == 2 * len(bench.train.labels)


def test_images_that_fill_the_device_are_read_as_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(reading.RESIDENT_BYTES, "cpu", 0)
    bench = Bench()
    for codec in (Pixels(), Autoencoder(Counting())):
        made = latents.of(codec, bench.pretrain_task(tmp_path), mirrored=True).batch(CHOSEN, SOME, lot())
        torch.testing.assert_close(made, expected(bench, SOME))


def test_what_one_training_encoded_another_reads(tmp_path: Path) -> None:
    bench = Bench()
    first = latents.of(Autoencoder(Counting()), bench.pretrain_task(tmp_path), mirrored=True)
    network = Counting()
    second = latents.of(Autoencoder(network), bench.prepare_task(tmp_path), mirrored=True)
    assert network.encoded == 0
    assert torch.equal(first.batch(CHOSEN, SOME, lot()), second.batch(CHOSEN, SOME, lot()))


@pytest.mark.parametrize(
    ("weight", "params", "mirrored"), [(3.0, {}, True), (1.0, {"classes": 4}, True), (1.0, {}, False)]
)
def test_other_weights_data_or_sides_are_encoded_anew(
    weight: float, params: dict[str, Any], mirrored: bool, tmp_path: Path
) -> None:
    latents.of(Autoencoder(Counting()), Bench().pretrain_task(tmp_path), mirrored=True)
    network = Counting(weight)
    latents.of(Autoencoder(network), Bench(ToyDataset(**params)).pretrain_task(tmp_path), mirrored=mirrored)
    assert network.encoded > 0


def test_a_damaged_file_is_computed_anew(tmp_path: Path) -> None:
    bench = Bench()
    latents.of(Autoencoder(Counting()), bench.pretrain_task(tmp_path), mirrored=False)
    (path,) = tmp_path.rglob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    network = Counting()
    anew = latents.of(Autoencoder(network), bench.pretrain_task(tmp_path), mirrored=False)
    assert network.encoded == len(bench.train.labels)
    torch.testing.assert_close(anew.batch(CHOSEN, NONE, lot()), expected(bench, NONE))
    assert content != path.read_bytes()


def test_too_little_memory_for_encoding_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(Counting, "encode", full)
    with pytest.raises(UserError, match="too small to encode 8 images of 8 pixels at once") as error:
        latents.of(Autoencoder(Counting()), Bench().pretrain_task(tmp_path), mirrored=False)
    assert "\n" not in str(error.value)


def test_encoding_tells_its_progress(tmp_path: Path) -> None:
    bench = Bench()
    latents.of(Autoencoder(Counting()), bench.pretrain_task(tmp_path), mirrored=False)
    assert bench.heard[-1] == (60, 60)
    assert len(bench.heard) > 1
