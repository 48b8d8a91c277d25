from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from ddbench.kit import colour, pixels, rng
from ddbench.kit.views import Augmentation, ViewBatch, batches, views
from ddbench.types import DatasetSpec

COUNT, SIZE = 23, 8
AUGMENTATIONS = {
    "nothing": Augmentation(),
    "padded": Augmentation(padding=2, flip=True),
    "resized": Augmentation(min_scale=0.3, flip=True),
    "flipped": Augmentation(flip=True),
    "shuffled": Augmentation(padding=1, shuffle_patches=4),
    "jittered": Augmentation(min_scale=0.5, flip=True, brightness=0.4, contrast=0.4, saturation=0.4),
    "lit": Augmentation(lighting=0.1),
    "mixup": Augmentation(padding=1, mixup=0.8),
    "cutmix": Augmentation(min_scale=0.3, cutmix=1.0, partner="roll"),
}
PLAIN = ["nothing", "padded", "resized", "flipped", "shuffled", "jittered", "lit"]


def describe(channels: int = 3) -> DatasetSpec:
    return DatasetSpec(
        name="made-up",
        recipe="made-up",
        num_classes=2,
        image_size=SIZE,
        channels=channels,
        mean=(0.3, 0.5, 0.6)[:channels],
        std=(0.2, 0.25, 0.3)[:channels],
        sizes={"train": COUNT, "test": COUNT},
        class_counts=(12, 11),
        fingerprint="",
        class_names=("a", "b"),
    )


def noise(count: int = COUNT, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, channels, SIZE, SIZE), generator=generator, dtype=torch.uint8)


def epoch_of(augmentation: Augmentation, epoch: int = 0, batch_size: int = 5, seed: int = 7) -> list[ViewBatch]:
    return list(views(noise(), describe(), augmentation, batch_size, seed, epoch))


def by_index(parts: list[ViewBatch]) -> Tensor:
    """Return the views of an epoch in the order of the images."""
    indices = torch.cat([part.indices for part in parts])
    return torch.cat([part.images for part in parts])[indices.argsort()]


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_an_epoch_is_the_same_whatever_was_asked_before(name: str) -> None:
    augmentation = AUGMENTATIONS[name]
    first = epoch_of(augmentation, epoch=3)
    torch.manual_seed(99)
    for other in (5, 0, 3):
        epoch_of(augmentation, epoch=other)
    for one, two in zip(first, epoch_of(augmentation, epoch=3), strict=True):
        assert one.epoch == two.epoch == 3
        for field in ("images", "indices", "partners", "weights"):
            assert torch.equal(getattr(one, field), getattr(two, field))


@pytest.mark.parametrize("name", PLAIN)
def test_a_view_depends_on_neither_the_batch_size_nor_the_images_after_it(name: str) -> None:
    alone = by_index(epoch_of(AUGMENTATIONS[name]))
    assert torch.equal(alone, by_index(epoch_of(AUGMENTATIONS[name], batch_size=11)))
    more = torch.cat([noise(), noise(40)])
    longer = by_index(list(views(more, describe(), AUGMENTATIONS[name], 5, 7, 0)))
    assert torch.equal(alone, longer[:COUNT])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_image_is_seen_once_an_epoch_in_another_order_each_time(name: str) -> None:
    orders = [torch.cat([part.indices for part in epoch_of(AUGMENTATIONS[name], epoch)]) for epoch in range(3)]
    for order in orders:
        assert sorted(order.tolist()) == list(range(COUNT))
    assert not torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[1], orders[2])


@pytest.mark.parametrize("name", PLAIN[1:])
def test_epochs_and_seeds_give_other_views(name: str) -> None:
    first = by_index(epoch_of(AUGMENTATIONS[name]))
    assert not torch.equal(first, by_index(epoch_of(AUGMENTATIONS[name], epoch=1)))
    assert not torch.equal(first, by_index(epoch_of(AUGMENTATIONS[name], seed=8)))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_views_are_float32_in_the_channels_last_layout(name: str) -> None:
    for part in epoch_of(AUGMENTATIONS[name]):
        assert part.images.dtype == part.weights.dtype == torch.float32
        assert part.images.is_contiguous(memory_format=torch.channels_last)
        assert part.images.shape[1:] == (3, SIZE, SIZE)
        assert part.indices.dtype == part.partners.dtype == torch.int64


def test_without_augmentation_views_are_the_normalised_images_unmixed() -> None:
    parts = epoch_of(AUGMENTATIONS["nothing"])
    assert torch.equal(by_index(parts), pixels.normalise(noise(), describe()))
    for part in parts:
        assert torch.equal(part.partners, part.indices)
        assert torch.equal(part.weights, torch.ones(len(part.indices)))


def test_images_are_left_as_they_were() -> None:
    images = noise()
    for augmentation in AUGMENTATIONS.values():
        list(views(images, describe(), augmentation, 5, 7, 0))
    assert torch.equal(images, noise())


def test_padding_is_black_before_normalisation() -> None:
    white = torch.full((50, 1, SIZE, SIZE), 255, dtype=torch.uint8)
    (part,) = views(white, describe(1), Augmentation(padding=3), 50, 0, 0)
    assert sorted(set(part.images.flatten().tolist())) == pytest.approx([(0 - 0.3) / 0.2, (1 - 0.3) / 0.2])


IDC = Augmentation(min_scale=0.5, flip=True, brightness=0.4, contrast=0.4, saturation=0.4, lighting=0.1)


def test_colours_change_after_the_crop_and_before_normalisation() -> None:
    cropped = epoch_of(Augmentation(min_scale=0.5, flip=True), batch_size=COUNT)
    whole = by_index(cropped) * torch.tensor(describe().std).view(1, 3, 1, 1)
    levels = 255 * (whole + torch.tensor(describe().mean).view(1, 3, 1, 1))
    factors = colour.draw_jitter(COUNT, (0.4, 0.4, 0.4), rng.generator(7, "jitter", 0))
    shifts = colour.draw_lighting(COUNT, 3, 0.1, rng.generator(7, "lighting", 0))
    expected = pixels.normalise(colour.change(levels, factors, shifts), describe())
    assert torch.allclose(by_index(epoch_of(IDC)), expected, atol=1e-4)


def test_mixing_comes_after_the_colours_and_draws_as_it_does_without_them() -> None:
    views_of_one_image = by_index(epoch_of(IDC))
    plain, mixed = (epoch_of(replace(one, cutmix=1.0)) for one in (Augmentation(), IDC))
    for before, part in zip(plain, mixed, strict=True):
        assert torch.equal(before.indices, part.indices)
        assert torch.equal(before.partners, part.partners)
        assert torch.equal(before.weights, part.weights)
        own, other = views_of_one_image[part.indices], views_of_one_image[part.partners]
        kept, pasted = ((part.images == one).all(dim=1) for one in (own, other))
        assert (kept | pasted).all()
        assert torch.allclose((kept & ~pasted).float().mean(dim=(1, 2))[part.indices != part.partners], part.weights[0])


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "lighting"])
def test_one_change_of_colours_leaves_the_draws_of_the_others_and_of_the_crop_as_they_were(name: str) -> None:
    def views_at(strength: float) -> Tensor:
        options: dict[str, Any] = {name: strength}
        return by_index(epoch_of(replace(IDC, **options)))

    without, hardly, wholly = (views_at(strength) for strength in (0.0, 1e-9, 0.4))
    assert torch.allclose(without, hardly, atol=1e-4)
    assert not torch.allclose(without, wholly, atol=1e-2)


def test_grey_images_are_jittered_and_lit_too() -> None:
    grey = list(views(noise(channels=1), describe(1), replace(IDC, min_scale=1.0), 5, 7, 0))
    plain = list(views(noise(channels=1), describe(1), Augmentation(flip=True), 5, 7, 0))
    assert by_index(grey).shape == (COUNT, 1, SIZE, SIZE)
    assert (by_index(grey) - by_index(plain)).abs().flatten(1).amax(dim=1).min() > 1e-3


def quarters(*levels: int) -> Tensor:
    """Return an image (1, SIZE, SIZE) of four even quarters, from left to right and from top to bottom."""
    half = SIZE // 2
    return torch.tensor(levels, dtype=torch.uint8).view(1, 2, 2).repeat_interleave(half, 1).repeat_interleave(half, 2)


def test_two_patches_a_side_come_in_the_four_orders_of_columns_and_rows_equally_often() -> None:
    images = quarters(0, 80, 160, 240).expand(400, -1, -1, -1).contiguous()
    shuffled = by_index(list(views(images, describe(1), Augmentation(shuffle_patches=2), 50, 0, 0)))
    orders = ((0, 80, 160, 240), (80, 0, 240, 160), (160, 240, 0, 80), (240, 160, 80, 0))
    expected = pixels.normalise(torch.stack([quarters(*order) for order in orders]), describe(1))
    counts = [int((shuffled == one).flatten(1).all(1).sum()) for one in expected]
    assert sum(counts) == 400
    assert min(counts) > 70


def test_shuffling_comes_before_the_crop_and_leaves_every_other_draw_as_it_was() -> None:
    tiled = noise()[:, :, : SIZE // 2, : SIZE // 2].repeat(1, 1, 2, 2)
    plain, shuffled = (
        list(views(tiled, describe(), Augmentation(padding=2, flip=True, mixup=0.8, shuffle_patches=patches), 5, 7, 0))
        for patches in (1, 2)
    )
    for one, two in zip(plain, shuffled, strict=True):
        assert torch.equal(one.images, two.images)


@pytest.mark.parametrize(("count", "sizes"), [(9, [4, 5]), (8, [4, 4]), (10, [4, 4, 2]), (3, [3]), (1, [1])])
def test_a_last_batch_of_one_joins_the_one_before(count: int, sizes: list[int]) -> None:
    assert [len(part) for part in batches(count, 4, seed=0, epoch=0)] == sizes


@pytest.mark.parametrize("partner", ["permutation", "roll"])
def test_mixup_blends_the_views_of_a_batch_by_the_weights_it_tells(partner: str) -> None:
    plain = by_index(epoch_of(Augmentation(padding=1)))
    mixed = epoch_of(Augmentation(padding=1, mixup=0.8, partner=partner))  # type: ignore[arg-type]
    for part in mixed:
        share = part.weights[0]
        assert 0 <= share <= 1
        assert torch.equal(part.weights, share.expand(len(part.weights)))
        expected = share * plain[part.indices] + (1 - share) * plain[part.partners]
        assert torch.allclose(part.images, expected, atol=1e-6)
    assert len({part.weights[0].item() for part in mixed}) == len(mixed)


def test_roll_pairs_each_image_with_the_one_before_it() -> None:
    for part in epoch_of(Augmentation(mixup=1.0, partner="roll")):
        assert torch.equal(part.partners, part.indices.roll(1))


def test_a_permutation_pairs_images_within_their_batch() -> None:
    parts = epoch_of(Augmentation(mixup=1.0))
    for part in parts:
        assert sorted(part.partners.tolist()) == sorted(part.indices.tolist())
    assert any(not torch.equal(part.partners, part.indices.roll(1)) for part in parts)


def test_cutmix_weights_are_the_true_shares_of_pixels() -> None:
    shades = torch.arange(COUNT, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, SIZE, SIZE)
    shares = set()
    for epoch in range(20):
        for part in views(shades.contiguous(), describe(1), Augmentation(cutmix=1.0, partner="roll"), 5, 7, epoch):
            own = pixels.normalise(part.indices.to(torch.uint8).view(-1, 1, 1, 1), describe(1))
            other = pixels.normalise(part.partners.to(torch.uint8).view(-1, 1, 1, 1), describe(1))
            kept, pasted = part.images == own, part.images == other
            assert (kept ^ pasted).all()
            assert torch.allclose(kept.float().mean(dim=(1, 2, 3)), part.weights)
            assert torch.equal(kept[0], kept[1]), "one box a batch"
            shares.add(round(part.weights[0].item(), 4))
    assert len(shares) > 8
    assert all(0 <= share <= 1 for share in shares)


@pytest.mark.parametrize("options", [{"padding": 2, "min_scale": 0.5}, {"mixup": 0.8, "cutmix": 1.0}])
def test_augmentations_that_exclude_each_other_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        Augmentation(**options)  # type: ignore[arg-type]
