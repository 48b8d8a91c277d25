"""What a run shows while it works."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from ddbench.cli.display import Lines, Live, Quiet, display
from ddbench.types import Event, Outcome, Stage


def stage(name: str) -> Stage:
    return Stage("evaluate", {}, {}, name, {}, f"dwa[rho=0.02] {name}")


def finished(name: str, status: Any = "done") -> Event:
    """Return the event of a stage's end."""
    meta = {"result": {"top1": 87.65}, "cost": {"seconds": 1.25}} if status in {"done", "reused"} else {}
    outcome = Outcome(stage(name), status, meta, "" if meta else "RuntimeError: [it] broke")
    return Event("stage-finished", outcome.stage, {"outcome": outcome})


def story() -> list[Event]:
    """Return the events of a run of four stages: one there already, one done, one failed, one skipped."""
    stages = [stage(name) for name in "abcd"]
    return [
        Event("run-started", None, {"stages": stages, "needed": {"b", "c", "d"}}),
        Event("stage-started", stages[1]),
        Event("stage-progress", stages[1], {"done": 3, "total": 10, "loss": 0.5, "top1": 42.0}),
        finished("b"),
        Event("stage-started", stages[2]),
        Event("warning", stages[2], {"message": "the file [x] is corrupt"}),
        finished("c", "failed"),
        finished("d", "skipped"),
        Event("run-finished", None, {"results": []}),
    ]


def test_lines_prints_one_line_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    listener = Lines()
    for event in story():
        listener.ddbench_event(event)

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "4 stages: 1 reused, 3 to compute",
        "[1/3] done: dwa[rho=0.02] b, top-1 87.7 %, 1.2 s",
        "warning: the file [x] is corrupt",
        "[2/3] failed: dwa[rho=0.02] c: RuntimeError: [it] broke",
        "[3/3] skipped: dwa[rho=0.02] d: RuntimeError: [it] broke",
    ]


def test_quiet_tells_warnings_and_failures_alone(capsys: pytest.CaptureFixture[str]) -> None:
    listener = Quiet()
    for event in story():
        listener.ddbench_event(event)

    assert capsys.readouterr().err.splitlines() == [
        "warning: the file [x] is corrupt",
        "failed: dwa[rho=0.02] c: RuntimeError: [it] broke",
    ]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Console:
    """Return the console that the live display draws on: a terminal of 160 columns, in memory."""
    console = Console(file=io.StringIO(), force_terminal=True, width=160, color_system=None)
    monkeypatch.setattr("rich.console.Console", lambda **_: console)
    return console


def drawn(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_live_counts_stages_and_shows_progress_with_loss_and_accuracy(terminal: Console) -> None:
    with Live() as live:
        for event in story():
            live.ddbench_event(event)
            live._progress.refresh()  # rather than wait for its clock

    text = drawn(terminal)
    assert "1 reused, 3 left" in text
    assert "1 reused, 1 running, 2 left" in text
    assert "loss 0.5  top1 42" in text
    assert "3/10" in text
    assert "1 done, 1 reused, 1 failed, 1 skipped" in text
    assert "done: dwa[rho=0.02] b, top-1 87.7 %, 1.2 s" in text
    assert "warning: the file [x] is corrupt" in text


def test_live_names_the_running_stage_with_its_parameters(terminal: Console) -> None:
    with Live() as live:
        for event in story()[:3]:
            live.ddbench_event(event)
        live._progress.refresh()

    assert "  dwa[rho=0.02] b" in drawn(terminal)


def test_live_takes_a_stage_that_is_tried_again_as_one(terminal: Console) -> None:
    with Live() as live:
        for event in [*story()[:2], *story()[1:4]]:
            live.ddbench_event(event)
        live._progress.refresh()

    assert "1 done, 1 reused, 2 left" in drawn(terminal)


def test_live_goes_on_where_the_start_of_a_stage_was_not_heard(terminal: Console) -> None:
    with Live() as live:
        for event in [*story()[:1], *story()[2:]]:
            live.ddbench_event(event)
        live._progress.refresh()

    assert "1 done, 1 reused, 1 failed, 1 skipped" in drawn(terminal)


def test_a_pipe_gets_lines_a_terminal_gets_the_live_display_and_quiet_neither(
    monkeypatch: pytest.MonkeyPatch, terminal: Console
) -> None:
    with display(quiet=True) as listener:
        assert type(listener) is Quiet
    with display(quiet=False) as listener:
        assert type(listener) is Lines
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with display(quiet=False) as listener:
        assert type(listener) is Live
