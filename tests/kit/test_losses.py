from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from ddbench.kit.losses import mixed_one_hots, soft_label_kl

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]])
TARGETS = torch.tensor([[0.7, 0.1, 0.2], [0.25, 0.5, 0.25]])


def by_hand(temperature: float) -> float:
    student = np.exp(LOGITS.double().numpy() / temperature)
    student /= student.sum(axis=1, keepdims=True)
    targets = TARGETS.double().numpy()
    return float((targets * (np.log(targets) - np.log(student))).sum() / 2)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 30.0])
def test_the_loss_is_the_kl_divergence_per_image_at_the_temperature(temperature: float) -> None:
    assert soft_label_kl(LOGITS, TARGETS, temperature).item() == pytest.approx(by_hand(temperature), rel=1e-5)


def test_the_squared_temperature_multiplies_it() -> None:
    squared = soft_label_kl(LOGITS, TARGETS, 20.0, squared=True).item()
    assert squared == pytest.approx(400 * by_hand(20.0), rel=1e-4)


def test_it_is_zero_where_the_student_agrees() -> None:
    assert soft_label_kl(LOGITS, torch.softmax(LOGITS / 3, dim=1), 3.0).item() == pytest.approx(0, abs=1e-6)


def test_with_one_hot_targets_it_is_the_cross_entropy() -> None:
    labels = torch.tensor([2, 0])
    loss = soft_label_kl(LOGITS, F.one_hot(labels, 3).float())
    assert loss.item() == pytest.approx(F.cross_entropy(LOGITS, labels).item())


def test_half_precision_logits_give_a_float32_loss() -> None:
    assert soft_label_kl(LOGITS.bfloat16(), TARGETS, 4.0).dtype == torch.float32


def test_hard_labels_mix_by_the_shares_of_the_images() -> None:
    views = SimpleNamespace(
        indices=torch.tensor([0, 1, 2]), partners=torch.tensor([1, 2, 2]), weights=torch.tensor([0.75, 0.4, 1.0])
    )
    mixed = mixed_one_hots(torch.tensor([2, 0, 0]), views, 3)
    assert torch.allclose(mixed, torch.tensor([[0.25, 0, 0.75], [1, 0, 0], [1, 0, 0]]))
