from __future__ import annotations

import pytest
import torch

from ddbench.kit import rng
from ddbench.kit.diffusion import Pixels
from ddbench_diffusion_memory import pixels


def test_nothing_changes() -> None:
    images, codec = torch.randn(2, 3, 4, 4, generator=rng.generator(0)), Pixels()
    assert torch.equal(codec.decode(codec.draw(codec.encode(images), rng.generator(1))), images)


def test_the_stand_in_decodes_to_what_it_is_given() -> None:
    latents = torch.randn(2, 1, 4, 4, generator=rng.generator(0))
    stand_in = pixels.PixelAutoencoder()
    assert stand_in.config.scaling_factor == 1
    assert torch.equal(stand_in.decode(latents).sample, latents)


def test_the_stand_in_is_found_by_the_name_that_diffusers_writes_down() -> None:
    kind = pixels.PixelAutoencoder
    assert (kind.__module__, kind.__qualname__) == ("ddbench_diffusion_memory.pixels", "PixelAutoencoder")
    assert pixels.PixelAutoencoder is kind


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Other'"):
        _ = pixels.Other
