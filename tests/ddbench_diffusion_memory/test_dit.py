from __future__ import annotations

from typing import Any

import pytest

from ddbench.testing.conformance import check_synthesizer
from ddbench_diffusion_memory.dit import Dit


@pytest.mark.parametrize("scheduler", ["ddpm", "ddim", "dpm-solver"])
def test_dit_keeps_the_contract_of_its_kind(scheduler: Any) -> None:
    check_synthesizer(Dit(steps=2, scheduler=scheduler))


def test_what_changes_no_image_is_not_in_the_identity() -> None:
    assert Dit(images_at_once=3).identity() == Dit().identity()
    assert Dit(guidance=1.0, guided_channels=2).identity() == Dit(guidance=1.0).identity()
    assert Dit(steps=3).identity() != Dit().identity()
