"""Pixels of tensors: what form they have is told from their range, said, and undone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from ddbench_imported.synthesizer import Images

if TYPE_CHECKING:
    from pathlib import Path

World = Any


@pytest.fixture
def full(world: World) -> World:
    """Return a world whose images hold black and white, so that ranges tell their form."""
    images = world.made.images.clone()
    images[0, 0, 0, :2] = torch.tensor([0, 255], dtype=torch.uint8)
    return replace(world, made=replace(world.made, images=images))


def saved(images: torch.Tensor, world: World, path: Path) -> Path:
    torch.save((images, world.made.labels), path)
    return path


@pytest.mark.parametrize(
    ("form", "scale"),
    [("uint8", lambda x: x), ("unit", lambda x: x / 255), ("normalised", lambda x: (x / 255 - 0.5) / 0.3)],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_floats_are_turned_back_into_the_bytes_that_they_were(
    form: str, scale: Any, dtype: torch.dtype, full: World, tmp_path: Path
) -> None:
    path = saved(scale(full.made.images.double()).to(dtype), full, tmp_path / "set.pt")
    assert full.reads(path)
    assert full.reads(path, pixels=form)
    assert Images(str(path)).survey(full.data)["pixels"] == f"{form} (assumed)"
    options: dict[str, Any] = {"pixels": form}
    assert Images(str(path), **options).survey(full.data)["pixels"] == form


def test_another_mean_and_deviation_than_the_data_sets_can_be_named(full: World, tmp_path: Path) -> None:
    path = saved((full.made.images / 255 - 0.25) / 0.125, full, tmp_path / "set.pt")
    assert full.reads(path, mean=(0.25,), std=(0.125,))
    assert not full.reads(path)


def test_pixels_that_no_image_can_show_are_clipped_and_counted(full: World, tmp_path: Path) -> None:
    images = (full.made.images / 255 - 0.5) / 0.3
    images[:, :, 0] = 9.0
    survey = Images(str(saved(images, full, tmp_path / "set.pt"))).survey(full.data)
    assert survey["pixels"] == "normalised (assumed), 12.5 % of them clipped"
    clipped = full.made.images.clone()
    clipped[:, :, 0] = 255
    assert full.reads(tmp_path / "set.pt", images=clipped)


def test_labels_are_the_largest_of_soft_ones_where_a_file_has_no_others(world: World, tmp_path: Path) -> None:
    soft = torch.eye(3)[world.made.labels] * 0.5 + 1 / 6
    torch.save((world.made.images, soft), tmp_path / "set.pt")
    assert world.reads(tmp_path / "set.pt")
    assert Images(str(tmp_path / "set.pt")).survey(world.data)["soft_labels"] == "probabilities"


def test_a_survey_says_what_rows_look_like(world: World, tmp_path: Path) -> None:
    torch.save((world.made.images, torch.eye(3)[world.made.labels] * 2), tmp_path / "set.pt")
    assert Images(str(tmp_path / "set.pt")).survey(world.data)["soft_labels"] == "logits"


def test_bytes_are_never_held_as_floats_all_at_once(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddbench_imported.tensors.AT_ONCE", 2)
    path = saved(world.made.images / 255, world, tmp_path / "set.pt")
    images = Images(str(path), pixels="unit")
    assert [len(block) for block in images.open().blocks(images.frame(world.data))] == [2, 2, 2]
