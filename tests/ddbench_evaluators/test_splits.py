from __future__ import annotations

from pathlib import Path

import torch

from ddbench.kit import corruptions, crops
from ddbench.kit.reading import Part
from ddbench.testing.toys import ToyDataset
from ddbench.types import Place
from ddbench_evaluators.splits import Corrupted, Zoomed

TEST = ToyDataset().open("test", Place(Path(), Path()))


def test_a_part_shows_the_images_chosen_under_their_new_labels() -> None:
    part = Part(TEST, torch.tensor([25, 3, 14]), torch.tensor([2, 0, 1]))
    assert torch.equal(part.images(slice(None)), TEST.images(torch.tensor([25, 3, 14])))
    assert torch.equal(part.images(slice(1, 3)), TEST.images(torch.tensor([3, 14])))
    assert torch.equal(part.images(torch.tensor([2, 0])), TEST.images(torch.tensor([14, 25])))
    assert part.labels.tolist() == [2, 0, 1]


def test_a_zoomed_split_shows_every_image_larger_and_as_large() -> None:
    zoomed = Zoomed(TEST, 12)
    assert torch.equal(zoomed.labels, TEST.labels)
    assert torch.equal(zoomed.images(slice(4, 9)), crops.zoom(TEST.images(slice(4, 9)), 12))
    assert zoomed.images(slice(4, 9)).shape == TEST.images(slice(4, 9)).shape


def test_a_corrupted_split_has_the_same_images_at_every_call_and_others_in_every_batch() -> None:
    corrupted = Corrupted(TEST, "gaussian-noise", 5)
    assert torch.equal(corrupted.labels, TEST.labels)
    first = corrupted.images(slice(0, 8))
    assert torch.equal(first, Corrupted(TEST, "gaussian-noise", 5).images(slice(0, 8)))
    assert torch.equal(first, corrupted.images(torch.arange(8)))
    noise = [corrupted.images(part).int() - TEST.images(part).int() for part in (slice(0, 8), slice(8, 16))]
    assert not torch.equal(*noise)


def test_a_corrupted_split_is_corrupted_as_the_kit_does() -> None:
    images = Corrupted(TEST, "contrast", 2).images(slice(3, 9))
    assert torch.equal(images, corruptions.corrupt(TEST.images(slice(3, 9)), "contrast", 2, seed=0))
