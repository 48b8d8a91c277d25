"""Augmented images as a student sees them: a view is a pure function of (seed, epoch, image index).

All numbers of an epoch are drawn at once on the CPU, one row per image, and applied to whole batches on the
device. Mixing pairs the images of one batch, so that there the batch belongs to the function as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch

from ddbench.kit import colour, crops, device, mixing, pixels, reading, rng

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from ddbench.types import DatasetSpec

    Change = Callable[[Tensor, Tensor], Tensor]


class Images(Protocol):
    """Uint8 images (N, C, H, W) of which a batch can be taken: a tensor, or ``ddbench.kit.reading.Streamed``."""

    @property
    def device(self) -> torch.device:
        """Where batches lie."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Tensor, /) -> Tensor: ...


@dataclass(frozen=True)
class Augmentation:
    """What happens to an image on its way to the student.

    Attributes:
        padding: zeros added on every side before a crop of the old size is taken at random; 0 takes none.
        min_scale: the smallest share of the image's area that a random resized crop may take (the largest is 1,
            its aspect ratio between 3/4 and 4/3, as in torchvision); 1 takes none.
        flip: mirror every second image, at random.
        mixup: blend the batch with a reordering of itself, the share drawn from Beta(mixup, mixup), one share a
            batch (Zhang et al., ICLR 2018); 0 blends nothing.
        cutmix: paste a box from that reordering instead, one box a batch, the share drawn likewise (Yun et al.,
            ICCV 2019); 0 pastes nothing.
        partner: which reordering: a random ``permutation``, or ``roll``, the batch moved on by one.
        shuffle_patches: before all that, cut the image into so many columns of patches, put them into a random
            order, and do the same with rows (:func:`ddbench.kit.crops.shuffle`); 1 leaves the image whole.
        brightness: after crop and mirror, how far a factor on the brightness may be from 1; 0 changes nothing. With
            the next two it is colour jitter (:mod:`ddbench.kit.colour`).
        contrast: the same of the contrast.
        saturation: the same of the saturation; nothing to grey images.
        lighting: after the jitter, standard deviation of the numbers by which colours move along ImageNet's principal
            components; 0 moves none.

    Raises:
        ValueError: two kinds of crop, or two kinds of mixing, are asked at once.
    """

    padding: int = 0
    min_scale: float = 1.0
    flip: bool = False
    mixup: float = 0.0
    cutmix: float = 0.0
    partner: Literal["permutation", "roll"] = "permutation"
    shuffle_patches: int = 1
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    lighting: float = 0.0

    def __post_init__(self) -> None:
        if self.padding and self.min_scale < 1:
            raise ValueError("a padded crop and a resized crop exclude each other: set one")
        if self.mixup and self.cutmix:
            raise ValueError("mixup and cutmix exclude each other: set one")


@dataclass(frozen=True)
class ViewBatch:
    """A batch of views (:class:`ddbench.types.Views`), every tensor on the images' device."""

    images: Tensor
    indices: Tensor
    partners: Tensor
    weights: Tensor
    epoch: int


def views(
    images: Images, data: DatasetSpec, augmentation: Augmentation, batch_size: int, seed: int, epoch: int
) -> Iterator[ViewBatch]:
    """Yield every image once, augmented, in an order that is new each epoch.

    Args:
        images: uint8 (N, C, S, S) at the data set's size.
        data: gives mean and deviation for normalisation, which follows the crop: padding is black.
        augmentation: what to do to them.
        batch_size: views per batch; see :func:`batches` for the last one.
        seed: of this training.
        epoch: from 0. Asking for one epoch neither needs nor changes another.

    Yields:
        views: float32, normalised, channels last.
    """
    shuffle = _shuffler(augmentation, images, seed, epoch)
    cut = _cutter(augmentation, images, data.image_size, seed, epoch)
    recolour = _recolourer(augmentation, images, data.channels, seed, epoch)
    parts = batches(len(images), batch_size, seed, epoch)
    there = torch.split(device.moved(torch.cat(parts), images.device), [len(part) for part in parts])
    read = reading.ahead(images, there if isinstance(images, torch.Tensor) else parts)
    for number, (indices, taken) in enumerate(zip(there, read, strict=True)):
        plain = pixels.normalise(recolour(cut(shuffle(taken, indices), indices), indices), data)
        random = np.random.default_rng(rng.derive(seed, "mix", epoch, number))
        yield _mixed(plain.contiguous(memory_format=torch.channels_last), indices, epoch, augmentation, random)


def batches(count: int, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """Return the image indices of each batch of an epoch, int64 on the CPU.

    A last batch of one image joins the one before it: batch normalisation cannot train on a single value.
    """
    order = torch.randperm(count, generator=rng.generator(seed, "order", epoch))
    parts = list(torch.split(order, batch_size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def _shuffler(augmentation: Augmentation, images: Images, seed: int, epoch: int) -> Change:
    """Draw the shuffles of an epoch; the function returned applies them to a batch, given its indices."""
    patches = augmentation.shuffle_patches
    if patches == 1:
        return lambda batch, _: batch
    orders = crops.draw_shuffles(len(images), patches, rng.generator(seed, "shuffle", epoch)).to(images.device)
    return lambda batch, indices: crops.shuffle(batch, orders[indices])


def _cutter(augmentation: Augmentation, images: Images, size: int, seed: int, epoch: int) -> Change:
    """Draw the crops and mirrors of an epoch; the function returned applies them to a batch, given its indices."""
    count, padding = len(images), augmentation.padding
    mirrored = crops.draw_mirrors(count, rng.generator(seed, "flip", epoch)) & augmentation.flip
    mirrored = mirrored.to(images.device)
    generator = rng.generator(seed, "crop", epoch)
    if augmentation.min_scale < 1:
        resized = crops.draw_resized(count, size, augmentation.min_scale, generator).to(images.device)
        return lambda batch, indices: crops.resize(batch, resized.of(indices), mirrored[indices])
    if padding or augmentation.flip:
        shifted = crops.draw_shifted(count, size, padding, generator).to(images.device)
        return lambda batch, indices: crops.shift(batch, shifted.of(indices), mirrored[indices], padding)
    return lambda batch, _: batch


def _recolourer(augmentation: Augmentation, images: Images, channels: int, seed: int, epoch: int) -> Change:
    """Draw the changes of colour of an epoch; the function returned applies them to a batch, given its indices."""
    strengths = augmentation.brightness, augmentation.contrast, augmentation.saturation
    if not any((*strengths, augmentation.lighting)):
        return lambda batch, _: batch
    jitter, lighting = (rng.generator(seed, name, epoch) for name in ("jitter", "lighting"))
    factors = colour.draw_jitter(len(images), strengths, jitter).to(images.device)
    shifts = colour.draw_lighting(len(images), channels, augmentation.lighting, lighting).to(images.device)
    return lambda batch, indices: colour.change(batch, factors[indices], shifts[indices])


def _mixed(
    images: Tensor, indices: Tensor, epoch: int, augmentation: Augmentation, random: np.random.Generator
) -> ViewBatch:
    if not augmentation.mixup and not augmentation.cutmix:
        return ViewBatch(images, indices, indices, torch.ones(len(indices), device=images.device), epoch)
    partners = mixing.order(len(indices), augmentation.partner, random)
    partners = device.moved(partners, images.device)
    mix = mixing.mixup if augmentation.mixup else mixing.cutmix
    mixed, share = mix(images, partners, augmentation.mixup or augmentation.cutmix, random)
    weights = torch.full((len(indices),), share, device=images.device)
    return ViewBatch(mixed, indices, indices[partners], weights, epoch)
