"""The same tables for the terminal, Markdown, LaTeX and spreadsheets."""

from __future__ import annotations

import io
import math
import re
import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from ddbench.types import RenderTask
from ddbench_reporters.csv import Csv
from ddbench_reporters.latex import Latex, escape
from ddbench_reporters.markdown import Markdown
from ddbench_reporters.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

Frame = Callable[..., pd.DataFrame]


@pytest.fixture
def awkward(frame: Frame) -> pd.DataFrame:
    """Return a frame with all that a form can trip over."""
    return frame(
        {
            "synthesizer": "dwa[rho=0.02]",
            "top1": 61.5,
            "reported": 65.7,
            "reported_metric": "top1",
            "reported_source": "Smith & Co_2024, 100 %",
            "reported_unreliable": "50 % | 60 %",
        },
        {"synthesizer": "dwa[rho=0.02]", "top1": 60.5, "evaluation_seed": 1},
        {"synthesizer": 'odd[path="a|b"]', "status": "failed", "error": "ValueError: [x] | {y} \\ #1 ~ ^"},
        {"synthesizer": "dwa[rho=0.02]", "architecture": "timm/vit[size=8]", "top1": 50.0},
    )


def cells(line: str) -> list[str]:
    """Split a line of a Markdown table at the pipes that are not escaped."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_has_as_many_cells_in_every_line_of_a_table(awkward: pd.DataFrame) -> None:
    blocks = Markdown().render(RenderTask(awkward)).split("\n\n")
    grids = [block.splitlines() for block in blocks if block.startswith("|")]

    assert [len(grid) - 2 for grid in grids] == [2, 1, 2]
    for header, rule, *rows in grids:
        assert {len(cells(line)) for line in (header, rule, *rows)} == {len(cells(header))}
        assert all(re.fullmatch(r"---:?", cell) for cell in cells(rule))


def test_markdown_escapes_pipes_and_aligns_numbers_to_the_right(awkward: pd.DataFrame) -> None:
    lines = Markdown().render(RenderTask(awkward)).splitlines()

    assert cells(lines[2]) == ["synthesizer", "ipc", "resnet50", "timm/vit[size=8]", "mean", "teacher"]
    assert cells(lines[3]) == ["---", "---", "---:", "---:", "---:", "---:"]
    assert cells(lines[4])[:3] == ["dwa[rho=0.02]", "10", "61.0 ± 0.7 (2)"]
    assert cells(lines[5])[0] == 'odd[path="a\\|b"]'


def test_markdown_takes_nothing_that_results_hold_for_markup(frame: Frame) -> None:
    error = "<img src=x> & `code` **bold**\n\n# title"
    text = Markdown().render(RenderTask(frame({"synthesizer": "a`*|<b>", "status": "failed", "error": error})))

    assert "a\\`\\*\\|&lt;b>" in text
    assert "failed: &lt;img src=x> &amp; \\`code\\` \\*\\*bold\\*\\* # title" in text


def test_latex_has_booktabs_rules_and_as_many_cells_in_every_row(awkward: pd.DataFrame) -> None:
    text = Latex().render(RenderTask(awkward))

    tabulars = re.findall(r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}\n(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert len(tabulars) == text.count(r"\begin{table}") == text.count(r"\end{table}") == 3
    for (columns, body), count in zip(tabulars, (2, 1, 2), strict=True):
        lines = body.splitlines()
        assert [line for line in lines if line.startswith("\\") and line.endswith("rule")] == [
            r"\toprule",
            r"\midrule",
            r"\bottomrule",
        ]
        rows = [line for line in lines if line.endswith(r" \\")]
        assert len(rows) == 1 + count
        assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {len(columns)}


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b & 50 % #1 $", r"a\_b \& 50 \% \#1 \$"),
        ("{x}", r"\{x\}"),
        ("\\ ~ ^", r"\textbackslash{} \textasciitilde{} \textasciicircum{}"),
        ("61.0 ± 0.7", r"61.0 $\pm$ 0.7"),
        ("> 2 s.d.", "$>$ 2 s.d."),
        ("dwa[rho=0.02]", "dwa{[}rho=0.02]"),
        ('a|b "c"', "a$|$b ''c''"),
        ("Müller 数", r"Müller \texttt{U+6570}"),
        ("line\nbreak", "line break"),
    ],
)
def test_latex_makes_special_characters_harmless(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_csv_comes_back_equal_through_pandas(frame: Frame) -> None:
    table = frame(
        {"synthesizer": "dwa[rho=0.02,steps=3]", "top1": 100 / 3, "top5": 99.9, "loss": 0.1 + 0.2, "error": "-"},
        {"synthesizer": 'odd[path="a,b"]', "status": "failed", "top1": math.nan, "error": 'said "no", twice'},
    )

    back = pd.read_csv(io.StringIO(Csv().render(RenderTask(table))))

    assert list(back.columns) == list(table.columns)
    for name in ("synthesizer", "ipc", "status", "error", "evaluation_seed"):
        assert list(back[name]) == list(table[name])
    pd.testing.assert_series_equal(back["top1"], table["top1"], rtol=1e-15)
    pd.testing.assert_series_equal(back["loss"], table["loss"], rtol=1e-15)


def test_the_terminal_shows_brackets_as_they_are(awkward: pd.DataFrame) -> None:
    text = Terminal().render(RenderTask(awkward, width=200))

    for words in (
        "dwa[rho=0.02]",
        'odd[path="a|b"]',
        "timm/vit[size=8]",
        "> 2 s.d., unreliable",
        "ValueError: [x] | {y}",
    ):
        assert words in text


@pytest.mark.parametrize("settings", [{"width": 60}, {"width": 120}, {"width": 200}])
def test_the_terminal_never_cuts_a_number(frame: Frame, settings: dict[str, Any]) -> None:
    table = frame(*({"architecture": name, "top1": 61.5} for name in ("resnet50", "mobilenetv2", "vgg16")))

    text = Terminal().render(RenderTask(table, **settings))

    assert text.count("61.5 (1)") == 3
    assert max(map(len, text.splitlines())) <= settings["width"]


def test_the_terminal_is_coloured_only_where_asked(awkward: pd.DataFrame) -> None:
    assert "\x1b[" not in Terminal().render(RenderTask(awkward, color=False))
    assert "\x1b[" in Terminal().render(RenderTask(awkward, color=True))


def test_the_terminal_breaks_heads_over_numbers_before_it_breaks_names(frame: Frame) -> None:
    prepared = frame({"top1": 90.0, "prepare_seconds": 30.0, "synthesizer": "diffusion-memory"})
    wide, narrow = (Terminal().render(RenderTask(prepared, width)) for width in (140, 90))
    assert "passes per ipc" in wide
    assert "passes per ipc" not in narrow
    assert all("diffusion-memory" in shown for shown in (wide.partition("cost")[2], narrow.partition("cost")[2]))


@pytest.mark.parametrize("width", [44, 60, 80])
def test_a_narrow_terminal_breaks_specs_between_parameters_and_loses_no_number(frame: Frame, width: int) -> None:
    spec = {"synthesizer": "dwa[lambda_mean=0.3,lambda_var=3.3]", "prepare_seconds": 30.0}
    table = frame(*({**spec, "labeler": name, "top1": 61.5} for name in ("hard", "online", "static")))

    text = Terminal().render(RenderTask(table, width))

    assert max(map(len, text.splitlines())) <= width
    assert text.count("61.5 (1)") == text.count("44.8 MB") == text.count("6.4 kB") == 3
    cost = text.partition("cost")[2]
    assert cost.count("lambda_mean=0.3") == cost.count("lambda_var=3.3") == cost.count("dwa[") > 0


HOSTILE = '\\input{x} $x$ 50 % & #1 _a^b ~c {d} [e] *f "g" <h> |i| \u6570 \u200b \x07 \\'


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed here")
def test_latex_compiles_whatever_the_names_are_and_fits_the_page(frame: Frame, tmp_path: Path) -> None:
    table = frame(
        *({"synthesizer": HOSTILE, "architecture": f"net {number}", "top1": 50.0 + number} for number in range(9)),
        {"synthesizer": "[first]", "teacher": "*", "status": "failed", "error": HOSTILE},
        {"top1": 50.0, "reported": 52.5, "reported_metric": "top1", "reported_source": HOSTILE},
    )
    preamble = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    (tmp_path / "paper.tex").write_text(f"{preamble}\n{Latex().render(RenderTask(table))}\\end{{document}}\n")

    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "paper.tex"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=120)

    assert ended.returncode == 0, ended.stdout.decode(errors="replace")[-1500:]
    assert (tmp_path / "paper.pdf").stat().st_size > 0
    assert b"Overfull" not in ended.stdout


def test_the_best_number_stands_out_in_each_form(frame: Frame) -> None:
    rivals = {"dwa": (90.0, 90.2), "random": (80.0, 80.2)}
    trials = [(name, seed, top1) for name, both in rivals.items() for seed, top1 in enumerate(both)]
    table = frame(*({"synthesizer": name, "evaluation_seed": seed, "top1": top1} for name, seed, top1 in trials))

    assert r"dwa & 10 & \textbf{90.1 $\pm$ 0.1 (2)} &" in Latex().render(RenderTask(table))
    assert "| dwa | 10 | **90.1 ± 0.1 (2)** |" in Markdown().render(RenderTask(table))
    assert "\x1b[1m90.1 ± 0.1 (2)" in Terminal().render(RenderTask(table, color=True))
    assert "80.1 ± 0.1 (2) |" in Markdown().render(RenderTask(table))


def test_latex_writes_a_minus_where_a_number_begins_with_a_hyphen(frame: Frame) -> None:
    table = frame({"top1": 50.0, "reported": 52.5, "reported_metric": "top1", "reported_source": "a paper"})

    assert "& $-$2.5 &" in Latex().render(RenderTask(table))
