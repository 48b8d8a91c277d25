"""What a run shows while it works: a live display, or plain lines in a pipe."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

from ddbench import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from ddbench.types import Event, Outcome, Stage


@contextmanager
def display(*, quiet: bool) -> Iterator[Quiet]:
    """Yield a listener for ``ddbench_event`` that suits the terminal; everything goes to stderr."""
    if quiet:
        yield Quiet()
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        with Live() as live:
            yield live


@contextmanager
def listening(*, quiet: bool) -> Iterator[None]:
    """Show what happens within: the listener is among the plugins as long. What components print goes to stderr."""
    from ddbench.registry import registry

    with redirect_stdout(sys.stderr), display(quiet=quiet) as listener:
        manager = registry().plugins.manager
        manager.register(listener, name="display")
        try:
            yield
        finally:
            manager.unregister(name="display")


class Quiet:
    """Tells warnings and failures, nothing else."""

    @hookimpl
    def ddbench_event(self, event: Event) -> None:
        """Hand the event to the method named after it."""
        getattr(self, event.name.replace("-", "_"))(event)

    def run_started(self, event: Event) -> None:
        """Hear how many stages there are."""

    def stage_started(self, event: Event) -> None:
        """Hear that a worker has taken a stage."""

    def stage_progress(self, event: Event) -> None:
        """Hear how far a stage is."""

    def stage_finished(self, event: Event) -> None:
        """Tell of failures."""
        outcome = event.payload["outcome"]
        if outcome.status == "failed":
            self.say(f"failed: {outcome.stage.label}: {outcome.error}")

    def trial_finished(self, event: Event) -> None:
        """Hear that a result file has been written."""

    def warning(self, event: Event) -> None:
        """Tell a warning."""
        self.say(f"warning: {event.payload['message']}")

    def run_finished(self, event: Event) -> None:
        """Hear that the run is over."""

    def say(self, line: str) -> None:
        """Print a line on stderr."""
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the display


class Lines(Quiet):
    """One line a finished stage: for pipes, logs and CI."""

    def __init__(self) -> None:
        self._total = self._ended = 0

    def run_started(self, event: Event) -> None:
        """Say how much there is to do."""
        stages, self._total = event.payload["stages"], len(event.payload["needed"])
        self.say(f"{len(stages)} stages: {len(stages) - self._total} reused, {self._total} to compute")

    def stage_finished(self, event: Event) -> None:
        """Say how a stage ended."""
        self._ended += 1
        self._total = max(self._total, self._ended)  # an input that could not be read was one more
        self.say(f"[{self._ended}/{self._total}] {_ending(event.payload['outcome'])}")


class Live(Quiet):
    """Counts of stages and a bar for each that runs, redrawn in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[cyan]{task.fields[numbers]}"),
            console=self._console,
            transient=True,
        )
        self._counts: Counter[str] = Counter()
        self._tasks: dict[str, TaskID] = {}
        self._all: TaskID | None = None

    def __enter__(self) -> Live:
        """Begin drawing."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing and wipe the bars."""
        self._progress.stop()

    def run_started(self, event: Event) -> None:
        """Draw the bar of the whole run."""
        total, needed = len(event.payload["stages"]), len(event.payload["needed"])
        self._counts.update(reused=total - needed, left=needed)
        self._all = self._progress.add_task("[bold]stages", total=total, completed=total - needed, numbers="")
        self._recount()

    def stage_started(self, event: Event) -> None:
        """Draw a bar for a stage."""
        from rich.markup import escape

        stage = _stage(event)
        if stage.key not in self._tasks:
            self._tasks[stage.key] = self._progress.add_task(f"  {escape(stage.label)}", total=None, numbers="")
            self._counts.update(left=-1, running=1)
        self._recount()

    def stage_progress(self, event: Event) -> None:
        """Move a stage's bar, if its start was told: workers elsewhere may be lost with what they had to tell."""
        task = self._tasks.get(_stage(event).key)
        if task is None:
            return
        numbers = dict(event.payload)
        done, total = numbers.pop("done"), numbers.pop("total")
        shown = "  ".join(f"{name} {value:.3g}" for name, value in numbers.items())
        self._progress.update(task, completed=done, total=total, numbers=shown)

    def stage_finished(self, event: Event) -> None:
        """Take a stage's bar away and leave a line."""
        outcome = event.payload["outcome"]
        task = self._tasks.pop(outcome.stage.key, None)
        self._counts.update({"left" if task is None else "running": -1, outcome.status: 1})
        if task is not None:
            self._progress.remove_task(task)
        if self._all is not None:
            self._progress.advance(self._all)
        self._recount()
        self.say(_ending(outcome))

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self._console.print(line, highlight=False, markup=False)

    def _recount(self) -> None:
        if self._all is None:
            return
        shown = ", ".join(
            f"{self._counts[name]} {name}"
            for name in ("done", "reused", "running", "left", "failed", "skipped")
            if self._counts[name]
        )
        self._progress.update(self._all, numbers=shown)


def _stage(event: Event) -> Stage:
    assert event.stage is not None
    return event.stage


def _ending(outcome: Outcome) -> str:
    label = outcome.stage.label
    if outcome.status in {"failed", "skipped"}:
        return f"{outcome.status}: {label}: {outcome.error}"
    result: dict[str, Any] = outcome.meta["result"]
    top1 = f", top-1 {result['top1']:.1f} %" if "top1" in result else ""
    return f"{outcome.status}: {label}{top1}, {outcome.meta['cost']['seconds']:.1f} s"
