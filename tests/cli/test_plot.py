"""``ddbench plot``: one figure of results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("matplotlib")

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[..., Any]

BEGINNINGS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}


@pytest.fixture
def results(run: Call) -> None:
    """Make results of two methods and two students."""
    assert run("--synth", "toy-synth,toy-synth[noise=20.0]", "--eval", "toy-net,toy-net[width=4]").code == 0


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize("form", BEGINNINGS)
def test_a_figure_is_written_in_the_format_of_its_name_the_same_each_time(command: Call, form: str) -> None:
    name = f"figures/map.{form}"

    ended = command("plot", "results", "--kind", "heatmap", "-o", name)

    assert (ended.code, ended.out, ended.err) == (0, f"figure: {name}\n", "")
    first = Path(name).read_bytes()
    assert first.startswith(BEGINNINGS[form])
    assert command("plot", "results", "--kind", "heatmap", "-o", name).code == 0
    assert Path(name).read_bytes() == first


@pytest.mark.usefixtures("results")
def test_an_export_is_drawn_like_the_folder_that_it_is_of(command: Call) -> None:
    assert command("export", "-o", "all.csv").code == 0

    for source, name in (("results", "one.svg"), ("all.csv", "other.svg")):
        assert command("plot", source, "--kind", "cost", "-o", name).code == 0

    assert "toy-synth[noise=20.0]" in Path("one.svg").read_text()
    assert Path("one.svg").read_bytes() == Path("other.svg").read_bytes()


@pytest.mark.usefixtures("results")
def test_options_choose_what_is_drawn(command: Call) -> None:
    ended = command("plot", "--kind", "cost", "-o", "cost.svg", "--synth", "toy-synth", "--seeds", "0", "--ipc", "2")

    assert ended.code == 0
    assert "noise" not in Path("cost.svg").read_text()


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--synth", "dwa"], ["--synth: no result has synthesizer dwa; there are toy-synth"]),
        (["--ipc", "50"], ["--ipc: no result has ipc 50; there are 2"]),
        (["--ipc", "many"], ["--ipc"]),
        (["--seeds", "0-9"], ["--seeds: no result has evaluation_seed 2; there are 0, 1"]),
        (["--output", "figure.gif"], ["expected a name that ends in .png, .svg, .pdf"]),
        (["--kind", "pie"], ["'pie'", "'heatmap', 'ipc-curve', 'cost', 'label-bytes' or 'curves'"]),
    ],
)
def test_a_mistake_ends_with_2_in_one_line(command: Call, options: list[str], words: list[str]) -> None:
    ended = command("plot", "--kind", "heatmap", "-o", "figure.png", *options)

    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert [word for word in words if word not in ended.err] == []


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("ipc-curve", "no exam has results at two or more images per class"),
        ("curves", "no result file here has a training curve"),
    ],
)
def test_where_there_is_nothing_to_draw_it_ends_with_4(command: Call, kind: str, reason: str) -> None:
    ended = command("plot", "--kind", kind, "-o", "figure.png")

    assert (ended.code, ended.out) == (4, "")
    assert ended.err == f"Error: nothing to draw: {reason}\n"
    assert not Path("figure.png").exists()


@pytest.mark.usefixtures("results")
def test_without_matplotlib_one_line_names_what_to_install(command: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddbench.cli.figures.find_spec", lambda _: None)

    ended = command("plot", "--kind", "heatmap", "-o", "figure.png")

    assert (ended.code, ended.err) == (2, "Error: figures need matplotlib: pip install 'ddbench[figures]'\n")


@pytest.mark.usefixtures("toys")
def test_no_results_end_with_4(command: Call) -> None:
    Path("results").mkdir()

    assert command("plot", "--kind", "heatmap", "-o", "figure.png").code == 4
