"""What charts draw, read back from their axes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from ddbench.errors import UserError
from ddbench.kit.drawing import COLOURS, MARKERS
from ddbench.types import RenderTask
from ddbench_reporters.charts.axis import round_numbers
from ddbench_reporters.figure import Figure
from ddbench_reporters.layout import GAP

pytest.importorskip("matplotlib")

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    Frame = Callable[..., pd.DataFrame]
    Draw = Callable[..., list[Any]]


@pytest.fixture
def draw(frame: Frame) -> Draw:
    """Return a function that draws trials and returns the panels."""

    def draw(kind: Any, *trials: dict[str, Any], **task: Any) -> list[Any]:
        return Figure(kind).draw(RenderTask(frame(*trials), **task)).axes

    return draw


def numbered(*accuracies: float, **special: Any) -> list[dict[str, Any]]:
    return [{"evaluation_seed": seed, "top1": top1, **special} for seed, top1 in enumerate(accuracies)]


def words(texts: Any) -> list[str]:
    return [text.get_text() for text in texts]


def points(axes: Any) -> list[tuple[float, float]]:
    """Return where single markers stand."""
    lines = [line for line in axes.get_lines() if len(line.get_xdata()) == 1 and line.get_marker() in MARKERS]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines]


def test_a_heat_map_has_methods_in_rows_and_architectures_in_columns_and_says_what_is_missing(draw: Draw) -> None:
    [axes] = draw(
        "heatmap",
        *numbered(90.0, 91.0),
        *numbered(70.0, architecture="vgg16"),
        *numbered(50.0, synthesizer="random", flag="edited"),
    )

    assert words(axes.get_xticklabels()) == ["resnet50", "vgg16"]
    assert words(axes.get_yticklabels()) == ["dwa", "random"]
    assert words(axes.texts) == ["90.5", "70.0", "50.0*", GAP]
    assert axes.collections[0].get_array().tolist()[0] == [90.5, 70.0]


def test_each_exam_and_count_of_images_has_a_heat_map_of_its_own(draw: Draw) -> None:
    both = [{"architecture": name, "top1": 50.0} for name in ("resnet18", "vgg16")]

    panels = draw(
        "heatmap",
        *({**each, "ipc": ipc} for each in both for ipc in (1, 10)),
        *({**each, "labeler": "hard"} for each in both),
    )

    assert [axes.get_title(loc="left") for axes in panels] == [
        "digits, online, ipc 1",
        "digits, online, ipc 10",
        "digits, hard, ipc 10",
    ]


def test_accuracy_over_ipc_has_a_line_a_method_with_its_deviations(draw: Draw) -> None:
    [axes] = draw(
        "ipc-curve",
        *numbered(30.0, 32.0, ipc=1),
        *numbered(50.0, 54.0, ipc=10),
        *numbered(20.0, ipc=1, synthesizer="random"),
    )

    assert [top1 for _, top1 in points(axes)] == [31.0, 52.0, 20.0]
    assert [round(ipc) for ipc, _ in points(axes)] == [1, 10, 1]
    assert words(axes.get_xticklabels()) == ["1", "10"]
    bars = axes.containers[0].lines[2][0].get_segments()
    assert bars[1][:, 1].tolist() == pytest.approx([52.0 - 8**0.5, 52.0 + 8**0.5])


def test_cost_is_the_whole_sets_with_preparation_and_bytes_with_labels(draw: Draw) -> None:
    trial = {
        "top1": 70.0,
        "synthesize_seconds": 60.0,
        "prepare_seconds": 30.0,
        "image_bytes": 6000.0,
        "label_bytes": 4000.0,
    }
    seconds, nbytes = draw(
        "cost", trial, {"synthesizer": "random", "top1": 60.0, "image_bytes": 50.0, "label_bytes": 0.0}
    )

    assert points(seconds) == [(90.0, 70.0), (60.0, 60.0)]
    assert points(nbytes) == [(10_000.0, 70.0), (50.0, 60.0)]
    assert (seconds.get_xlabel(), nbytes.get_xlabel()) == ("seconds", "bytes")


def test_the_bytes_of_labels_stand_alone(draw: Draw) -> None:
    [panel] = draw(
        "label-bytes", *({"labeler": f"l{size:.0f}", "label_bytes": size, "top1": 60.0} for size in (0.0, 9e3))
    )

    assert points(panel) == [(1.0, 60.0), (9000.0, 60.0)]
    assert panel.get_xlabel() == "bytes of labels"


def test_labels_that_weigh_nothing_stand_at_zero_and_round_numbers_are_short(draw: Draw) -> None:
    weights = (0.0, 1.2e3, 4.0e4)
    (panel,) = draw("label-bytes", *({"top1": 50.0, "labeler": str(each), "label_bytes": each} for each in weights))

    assert words(panel.get_xticklabels()) == ["0 B", "10 B", "100 B", "1 kB", "10 kB"]


def test_a_legend_of_long_names_stays_within_the_figure(frame: Frame) -> None:
    long = [f"random-perturbation[perturbation=gaussian,sigma=0.000{number}]" for number in range(4)]
    drawn = Figure("cost").draw(RenderTask(frame(*({"top1": 50.0, "synthesizer": name} for name in long))))

    drawn.canvas.draw()
    assert drawn.legends[0].get_window_extent().x1 <= drawn.bbox.x1


def test_results_that_no_cheaper_one_equals_are_named(draw: Draw) -> None:
    several = [("hard", 0.0, 60.0), ("static", 1000.0, 55.0), ("online", 5000.0, 80.0), ("stored", 90_000.0, 80.0)]

    _, nbytes = draw("cost", *({"labeler": name, "label_bytes": size, "top1": top1} for name, size, top1 in several))

    assert words(nbytes.texts) == ["hard", "online"]


def test_training_curves_are_means_between_the_lowest_and_the_highest(draw: Draw) -> None:
    trials = numbered(50.0, 60.0)
    curves = [[1.0, 0.5, 0.25], [3.0, 1.5, 0.75]]
    documents = []
    for number, (trial, losses) in enumerate(zip(trials, curves, strict=True)):
        trial["key"] = str(number)
        curve = [{"epoch": epoch, "loss": loss, "top1": None} for epoch, loss in enumerate(losses, 1)]
        documents.append({"key": str(number), "measures": {"curve": [*curve[:2], curve[2] | {"top1": 50.0}]}})

    [loss] = draw("curves", *trials, documents=tuple(documents))  # one test makes no curve of the accuracy

    line = loss.get_lines()[0]
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([1, 2, 3], [2.0, 1.0, 0.5])
    edges = loss.collections[0].get_paths()[0].vertices[:, 1]
    assert (edges.min(), edges.max()) == (0.25, 3.0)


def test_a_flagged_result_is_hollow_or_dashed_and_said(draw: Draw) -> None:
    flagged = {"flag": "edited", "key": "0", "top1": 50.0}
    document = {"key": "0", "measures": {"curve": [{"epoch": epoch, "loss": 1.0} for epoch in (1, 2)]}}

    _, nbytes = draw("cost", flagged, {"synthesizer": "random", "top1": 60.0})
    [loss] = draw("curves", flagged, documents=(document,))

    marks = [line for line in nbytes.get_lines() if line.get_marker() != "None"]
    assert [mark.get_markerfacecolor() for mark in marks] == ["none", COLOURS[1]]
    assert loss.get_lines()[0].get_linestyle() == "--"


def test_a_method_keeps_its_colour_and_marker_in_every_chart(frame: Frame) -> None:
    trials = frame(
        *({"synthesizer": name, "ipc": ipc, "top1": 50.0} for name in ("a", "b", "c") for ipc in (1, 10)),
        {"synthesizer": "b", "architecture": "vgg16", "top1": 50.0},
        {"synthesizer": "c", "architecture": "vgg16", "top1": 50.0},
    )
    looks: dict[str, set[Any]] = {}
    for kind in ("ipc-curve", "cost"):
        legend = Figure(kind).draw(RenderTask(trials)).legends[0]
        for line in legend.get_lines():
            looks.setdefault(str(line.get_label()), set()).add((line.get_color(), line.get_marker()))

    assert {name: len(found) for name, found in looks.items()} == {"a": 1, "b": 1, "c": 1}
    assert len(set().union(*looks.values())) == 3


def test_a_legend_names_teachers_where_a_data_set_has_several(frame: Frame) -> None:
    apart = {"dataset": "other", "teacher": "vgg16"}
    bare = {"synthesizer": "random", "teacher": "none"}
    rows: list[dict[str, Any]] = [{"top1": 50.0}, {"top1": 50.0, **bare}, {"top1": 50.0, **apart}]

    def legend(*trials: dict[str, Any]) -> list[str]:
        return words(Figure("cost").draw(RenderTask(frame(*trials))).legends[0].get_texts())

    assert legend(*rows) == ["dwa", "random"]
    assert legend(*rows, {"top1": 50.0, "teacher": "vgg16"}) == ["dwa (resnet18)", "random", "dwa (vgg16)", "dwa"]


def test_names_are_drawn_as_they_are(draw: Draw) -> None:
    panels = draw("heatmap", *({"synthesizer": "a$b$_c", "architecture": name, "top1": 50.0} for name in ("x", "$y$")))

    panels[0].figure.canvas.draw()  # as mathematics this would be an error: b has no subscript
    assert words(panels[0].get_yticklabels()) == [r"a\$b\$_c"]


@pytest.mark.parametrize("kind", ["heatmap", "ipc-curve", "curves"])
def test_where_there_is_nothing_to_draw_the_reason_is_told(frame: Frame, kind: Any) -> None:
    task = RenderTask(frame({"top1": 50.0}))

    with pytest.raises(UserError, match=r"^nothing to draw: ") as raised:
        Figure(kind).draw(task)
    assert raised.value.exit_code == 4
    assert "nothing to draw" in Figure(kind).render(task)


def test_a_figure_is_the_same_svg_each_time(frame: Frame) -> None:
    task = RenderTask(frame({"top1": 50.0}, {"top1": 60.0, "synthesizer": "random"}))

    first = Figure("cost").render(task)

    assert first == Figure("cost").render(task)
    assert not re.search(r"<dc:date>|20\d\d-\d\d-\d\d", first)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1.0, 1000.0, [1, 10, 100, 1000]),
        (2.0, 300.0, [3, 10, 30, 100, 300]),
        (4.0, 60.0, [5, 10, 20, 50]),
        (1.3e6, 1.6e6, [1.3e6, 1.6e6]),
        (7.0, 7.0, [7.0]),
    ],
)
def test_ticks_are_round_numbers_however_narrow_the_range(low: float, high: float, ticks: list[float]) -> None:
    assert round_numbers(low, high) == pytest.approx(ticks)
