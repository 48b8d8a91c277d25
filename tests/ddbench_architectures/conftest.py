from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ddbench.types import DatasetSpec

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def describe() -> Callable[..., DatasetSpec]:
    """Return a maker of data set descriptions: images of a size, channels and classes, nothing behind them."""

    def make(image_size: int, channels: int = 3, num_classes: int = 10) -> DatasetSpec:
        return DatasetSpec(
            name="toy",
            recipe="toy",
            num_classes=num_classes,
            image_size=image_size,
            channels=channels,
            mean=(0.5,) * channels,
            std=(0.25,) * channels,
            sizes={"train": 100, "test": 100},
            class_counts=(10,) * num_classes,
            fingerprint="0" * 64,
            class_names=tuple(str(index) for index in range(num_classes)),
        )

    return make
