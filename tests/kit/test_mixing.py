from __future__ import annotations

import numpy as np
import pytest
import torch

from ddbench.kit import mixing


@pytest.mark.parametrize("alpha", [0.2, 0.8, 1.0])
def test_shares_of_mixup_follow_their_beta_distribution(alpha: float) -> None:
    random = np.random.default_rng(0)
    images, partners = torch.zeros(2, 1, 1, 1), torch.tensor([1, 0])
    shares = np.array([mixing.mixup(images, partners, alpha, random)[1] for _ in range(4000)])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), abs=0.01)  # of Beta(alpha, alpha)


def test_the_box_of_cutmix_has_the_square_root_of_its_share_as_side_where_the_border_does_not_cut_it() -> None:
    random = np.random.default_rng(0)
    images = torch.stack((torch.zeros(1, 32, 32), torch.ones(1, 32, 32)))
    for _ in range(200):
        mixed, share = mixing.cutmix(images.clone(), torch.tensor([1, 0]), 1.0, random)
        box = mixed[0, 0].bool()
        height, width = int(box.any(1).sum()), int(box.any(0).sum())
        inside = not (box[0].any() or box[-1].any() or box[:, 0].any() or box[:, -1].any())
        assert box.sum() == height * width == round((1 - share) * 32 * 32)
        assert not inside or height == width
        assert torch.equal(mixed[1, 0], 1 - mixed[0, 0])


def test_a_roll_moves_the_batch_on_by_one() -> None:
    assert mixing.order(4, "roll", np.random.default_rng(0)).tolist() == [3, 0, 1, 2]
