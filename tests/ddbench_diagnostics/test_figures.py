from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import torch

from ddbench_diagnostics.feature_distance import FeatureDistance
from ddbench_diagnostics.images import Images
from ddbench_diagnostics.logits_map import LogitsMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddbench.testing.bench import Bench

pytest.importorskip("matplotlib")

RATIOS = {"ratio": 0.8, "ratio/stripes 0": 0.6, "ratio/stripes 1": 0.8, "ratio/stripes 2": 1.0}


def words(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def test_real_images_of_the_same_classes_stand_beside_them_where_they_are_asked_for(
    bench: Bench, given: Callable[..., Any]
) -> None:
    ours: Any
    real: Any
    ours, real = Images(real_per_class=4).draw(given(ipc=2)).axes
    assert (ours.get_xlabel(), real.get_xlabel()) == ("ipc index", "real")
    picture = torch.from_numpy(real.images[0].get_array().data)
    size, step = bench.data.image_size, bench.data.image_size + 1
    for row in range(bench.data.num_classes):
        known = bench.train.images((bench.train.labels == row).nonzero()[:, 0])[:, 0]
        for column in range(4):
            shown = picture[row * step : row * step + size, column * step : column * step + size, 0]
            assert (known == shown).flatten(1).all(1).any(), "one of the class's real images"


def test_images_stand_in_rows_of_classes_their_pixels_as_stored(bench: Bench, given: Callable[..., Any]) -> None:
    axes: Any = Images(per_class=2).draw(given(ipc=3)).axes[0]

    picture = torch.from_numpy(axes.images[0].get_array().data)
    assert picture.shape == (3 * 8 + 2, 2 * 8 + 1, 3)
    stored, labels = bench.distilled(3).images, bench.distilled(3).labels
    for channel in range(3):
        assert torch.equal(picture[9:17, 9:17, channel], stored[labels == 1][1, 0])
    assert bool((picture[8] == 255).all())
    assert bool((picture[:, 8] == 255).all())
    assert words(axes.yaxis) == ["stripes 0", "stripes 1", "stripes 2"]
    assert words(axes.xaxis) == ["0", "1"]


def test_a_map_has_a_mark_for_every_distilled_image_and_a_dot_for_every_real_one(given: Callable[..., Any]) -> None:
    from matplotlib.collections import PathCollection

    axes: Any = LogitsMap(real_per_class=7).draw(given()).axes[0]

    scattered: list[Any] = [points for points in axes.collections if isinstance(points, PathCollection)]
    assert sorted(len(points.get_offsets()) for points in scattered) == [2, 2, 2, 7, 7, 7]
    assert {text.get_text() for text in axes.texts} == {"stripes 0", "stripes 1", "stripes 2"}
    assert all([axes.get_xlabel(), axes.get_ylabel()])


def test_a_chart_shows_means_over_seeds_class_by_class_and_over_all(bench: Bench) -> None:
    higher = {name: value + 0.2 for name, value in RATIOS.items()}

    drawn = FeatureDistance().compare(bench.comparison_task(RATIOS, higher))

    assert drawn is not None
    axes: Any = drawn.axes[0]
    assert words(axes.yaxis) == ["mean of all classes", "stripes 0", "stripes 1", "stripes 2"]
    marks = next(line for line in axes.lines if line.get_marker() == "o")
    assert list(marks.get_xdata()) == pytest.approx([0.9, 0.7, 0.9, 1.1])
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["toy-synth, ipc 2"]


def test_a_chart_of_nothing_is_not_drawn(bench: Bench) -> None:
    assert FeatureDistance().compare(bench.comparison_task(dict.fromkeys(RATIOS, math.nan))) is None
