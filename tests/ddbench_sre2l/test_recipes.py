from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from ddbench_sre2l.synthesizer import SRe2L

SCRIPTS = {
    #                 steps, rate, r_bn, batch, jitter, two-sided, crop and flip
    "cifar10": (1000, 0.25, 0.01, 100, 4, False, False),
    "cifar100": (1000, 0.25, 0.01, 100, 4, False, False),
    "tiny-imagenet": (4000, 0.1, 1.0, 100, 4, True, True),
    "imagenet1k": (4000, 0.25, 0.01, 100, 32, False, True),
}


def recipe(name: str) -> SRe2L:
    text = (resources.files("ddbench_sre2l") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    return SRe2L(**tomllib.loads(text)["sre2l"])


@pytest.mark.parametrize("name", SCRIPTS)
def test_paper_recipes_hold_the_scripts_numbers(name: str) -> None:
    made = recipe(name)
    values = made.iterations, made.learning_rate, made.r_bn, made.batch_size, made.jitter
    assert (*values, made.two_sided_jitter, made.crop) == SCRIPTS[name]
    assert made.flip == made.crop
    assert (made.first_weight, made.jpeg_quality) == (10, 75)


def test_digits_are_kept_lossless_and_unmirrored() -> None:
    made = recipe("digits")
    assert made.jpeg_quality is None
    assert not made.flip
