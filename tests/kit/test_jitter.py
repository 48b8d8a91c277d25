from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ddbench.kit.jitter import Jitter

SIZE = 64


def ramps(count: int = 2) -> Tensor:
    """Return images whose first channel is the row and whose second the column of each pixel."""
    steps = torch.arange(float(SIZE))
    return torch.stack((steps[:, None].expand(SIZE, SIZE), steps.expand(SIZE, SIZE))).repeat(count, 1, 1, 1)


def shifts(jitter: Jitter, iterations: int) -> set[tuple[int, int]]:
    marked = torch.zeros(1, 1, SIZE, SIZE)
    marked[0, 0, 8, 8] = 1  # far enough from every edge
    found = [jitter(marked, 0, iteration).argmax().item() for iteration in range(iterations)]
    return {(int(place) // SIZE - 8, int(place) % SIZE - 8) for place in found}


@pytest.mark.parametrize(("two_sided", "lowest"), [(False, 0), (True, -2)])
def test_shifts_take_every_value_of_their_range_ends_included(two_sided: bool, lowest: int) -> None:
    steps = range(lowest, 3)
    assert shifts(Jitter(2, two_sided), 400) == {(down, right) for down in steps for right in steps}


def test_shifts_are_circular() -> None:
    images = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    moved = Jitter(roll=5)(images, seed=0, iteration=1)
    assert not torch.equal(moved, images)
    assert torch.equal(moved.flatten().sort().values, images.flatten().sort().values)


def test_a_crop_is_one_box_of_the_documented_area_and_aspect_for_the_whole_batch() -> None:
    for iteration in range(200):
        seen = Jitter(crop=True)(ramps(), seed=1, iteration=iteration)
        assert torch.equal(seen[0], seen[1])
        middle = slice(SIZE // 2 - 1, SIZE // 2 + 1)
        height, width = (float(seen[0, axis][middle, middle].diff(dim=axis).mean()) * SIZE for axis in (0, 1))
        assert 0.08 * 0.8 < height * width / SIZE**2 <= 1 + 1e-4  # sides are whole pixels
        assert 0.7 < width / height < 1.45
        assert seen.min() >= 0
        assert seen.max() <= SIZE - 1


def test_a_flip_mirrors_the_whole_batch_about_every_second_time() -> None:
    images = ramps()
    mirrored = 0
    for iteration in range(400):
        seen = Jitter(flip=True)(images, seed=0, iteration=iteration)
        assert torch.equal(seen, images) or torch.equal(seen, images.flip(3))
        mirrored += int(torch.equal(seen, images.flip(3)))
    assert 160 < mirrored < 240


def test_a_view_depends_on_seed_and_iteration_alone() -> None:
    jitter, images = Jitter(4, crop=True, flip=True), ramps()
    first = jitter(images, 0, 7)
    jitter(images, 0, 8)
    assert torch.equal(jitter(images, 0, 7), first)
    assert any(not torch.equal(jitter(images, 1, step), jitter(images, 0, step)) for step in range(3))


def test_gradients_pass_through_crop_flip_and_roll() -> None:
    images = ramps().requires_grad_()
    Jitter(3, crop=True, flip=True)(images, 0, 0).sum().backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
    assert images.grad is not None
    assert float(images.grad.sum()) == pytest.approx(images.numel(), rel=1e-4)


def test_nothing_asked_is_nothing_done() -> None:
    images = ramps()
    assert torch.equal(Jitter()(images, 0, 0), images)
