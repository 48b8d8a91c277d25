from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from ddbench_dwa.synthesizer import DWA

# Tables 6, 7 and 8 of arXiv 2409.17612, the variances' 11, 11, 2 read as ratios to 0.01; jitter, crop and flip, the
# batch of Tiny-ImageNet and K of ImageNet-1K as the scripts have them.
PAPER = {
    #                 K,  rho,   steps, rate, mean, variance, batch, jitter, crop and flip
    "cifar10": (12, 0.015, 1000, 0.25, 0.01, 0.11, 100, 4, False),
    "cifar100": (12, 0.015, 1000, 0.25, 0.01, 0.11, 100, 4, False),
    "tiny-imagenet": (12, 0.015, 2000, 0.1, 0.01, 0.11, 200, 4, True),
    "imagenet1k": (15, 0.015, 2000, 0.25, 0.01, 0.02, 100, 32, True),
}


def recipe(name: str) -> DWA:
    text = (resources.files("ddbench_dwa") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    return DWA(**tomllib.loads(text)["dwa"])


@pytest.mark.parametrize("name", PAPER)
def test_paper_recipes_hold_the_papers_numbers(name: str) -> None:
    made = recipe(name)
    weights = made.lambda_mean, made.lambda_var, made.batch_size, made.jitter
    assert (made.steps, made.rho, made.iterations, made.learning_rate, *weights, made.crop) == PAPER[name]
    assert made.flip == made.crop
    assert (made.gradient, made.statistics_on, made.accumulate) == ("normalised", "perturbed", False)
    assert (made.first_weight, made.two_sided_jitter, made.jpeg_quality) == (10, False, 75)


def test_digits_are_kept_lossless_and_unmirrored() -> None:
    made = recipe("digits")
    assert made.jpeg_quality is None
    assert not made.flip
    assert (made.steps, made.rho) == (12, 0.015)


def test_class_defaults_are_the_cifar100_column_without_its_files() -> None:
    made = recipe("cifar100")
    assert DWA(jpeg_quality=75) == made
