"""One result on a sheet: what it is, its numbers, settings, origin, costs and keys, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ddbench.cli.amounts import duration, size
from ddbench.cli.origin import SHORT, VERBS, made, settings
from ddbench.errors import printable
from ddbench.results import flag, recomputing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import RenderableType

    Rows = Iterator[tuple[str, Text | str]]

_FLAGS = {
    "key differs": "FLAGGED: key differs. A key does not follow from its settings: they were edited after the run.",
    "edited": "FLAGGED: edited. The checksum fails: something that no key holds was edited after the run.",
}
_COORDINATES = ("dataset", "teacher", "synthesizer", "ipc", "labeler", "evaluator", "architecture")
_BARS = "▁▂▃▄▅▆▇█"
_POINTS = 16  # of a sparkline
_LABEL = 13  # columns of the names at the left, so that all sections align


def sheet(path: Path, found: Mapping[str, Any]) -> RenderableType:
    """Return a result for rich to print, as wide as the terminal."""
    flagged = flag(found)
    head = [Text(printable(str(path)), style="bold", overflow="fold")]
    if flagged:
        head.append(Text(_FLAGS[flagged], style="bold red"))
    sections = (
        ("trial", _trial(found)),
        ("numbers", _numbers(found)),
        ("settings", settings(found)),
        ("made", made(found)),
        ("costs", _costs(found)),
        ("keys", _keys(found)),
    )
    return Group(*head, *(part for title, rows in sections for part in _section(title, rows)))


def _section(title: str, rows: Rows) -> tuple[RenderableType, ...]:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=_LABEL, no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(Text(f"  {_plain(name)}"), _harmless(value))
    return Text(f"\n{title}", style="bold"), grid


def _plain(text: str) -> str:
    """Take out what would command the terminal: a file may come from anywhere."""
    return "\n".join(map(printable, text.split("\n")))


def _harmless(value: Text | str) -> Text:
    text = value if isinstance(value, Text) else Text(value)
    text.plain = _plain(text.plain)  # as long as before, so that what is bold stays bold
    return text


def _trial(found: Mapping[str, Any]) -> Rows:
    trial = found["trial"]
    yield from ((name, str(trial[name])) for name in _COORDINATES)
    yield "seeds", f"synthesis {trial['synthesis_seed']}, evaluation {trial['evaluation_seed']}"


# -------------------------------------------------------------------------------------------- numbers


def _numbers(found: Mapping[str, Any]) -> Rows:
    measures, reported = found["measures"], found["reported"]
    if found["status"] == "failed":
        yield "failed", Text(_plain(found["error"]), style="bold red")
        measures = None
    if measures is not None:
        yield "top-1", _top1(found, measures)
        yield from _further(measures)
    if reported is not None:
        yield "reported", _reported(found, measures)
    if found["teacher"] is not None:
        yield "teacher", _teacher(found)
    if measures is not None and measures["curve"]:
        yield "curve", _curve(measures["curve"])


def _top1(found: Mapping[str, Any], measures: Mapping[str, Any]) -> Text:
    style = "red" if flag(found) else "bold"
    best = f" after the last epoch, {measures['top1_best']:.2f} at best on the test split"
    return Text.assemble((_percent(measures["top1"]), style), best)


def _further(measures: Mapping[str, Any]) -> Rows:
    yield "top-5", _percent(measures["top5"])
    yield "loss", f"{measures['loss']:.4f}"
    if measures.get("top1_val") is not None:
        yield "selected", f"{_percent(measures['top1_val'])} at the epoch that held-out training images select"
    if measures.get("calibration_error") is not None:
        yield "calibration", f"error {measures['calibration_error']:.4f}"
    if measures.get("top1_corrupted") is not None:
        yield "corrupted", f"{_percent(measures['top1_corrupted'])}, mean of {len(measures['corrupted'])} corruptions"


def _percent(value: float) -> str:
    return f"{value:.2f} %"


def _reported(found: Mapping[str, Any], measures: Mapping[str, Any] | None) -> str:
    reported = found["reported"]
    spread = f" ± {reported['std']:g}" if reported.get("std") is not None else ""
    best = found.get("reports") == "best"
    compared = "" if measures is None else measures["top1_best" if best else "top1"] - reported["top1"]
    apart = f", measured {compared:+.2f}{' (at best, as it prints)' if best else ''}" if compared != "" else ""
    doubt = f"; unreliable: {reported['unreliable']}" if reported.get("unreliable") else ""
    where = f"; for {reported['dataset']}" if reported.get("dataset") else ""
    return f"{reported['top1']:g}{spread} %{apart}; {reported.get('source') or 'no source'}{where}{doubt}"


def _teacher(found: Mapping[str, Any]) -> str:
    weights = found.get("made", {}).get("squeeze", {}).get("sha256")
    checksum = f", sha256 of its weights {weights}" if weights else ""
    return f"{_percent(found['teacher']['top1'])} on the test split{checksum}"


def _curve(curve: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"{len(curve)} epochs"]
    for name, form in (("loss", ".3g"), ("top1", ".1f")):
        values = [point[name] for point in curve if point.get(name) is not None]
        if values:
            lines.append(f"{name:<5} {values[0]:{form}} {sparkline(values)} {values[-1]:{form}}")
    return "\n".join(lines)


def sparkline(values: Sequence[float]) -> str:
    """Draw numbers as bars between their least and their largest, evenly picked where they are many."""
    count = min(len(values), _POINTS)
    picked = [values[round(place * (len(values) - 1) / max(1, count - 1))] for place in range(count)]
    low, high = min(picked), max(picked)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((value - low) * scale)] for value in picked)


# ------------------------------------------------------------------------------------- costs and keys


def _costs(found: Mapping[str, Any]) -> Rows:
    for verb in VERBS:
        cost = found["costs"].get(verb)
        if cost is not None:
            passes = cost.get("forward_images") or 0, cost.get("backward_images") or 0
            through = f", {passes[0]:,} images forward and {passes[1]:,} backward" if any(passes) else ""
            lost = (cost.get("attempts") or 0) - len(found["stages"][verb].get("keys", [verb]))
            lately = f", {lost} attempt{'s' * (lost > 1)} lost with a worker" if lost > 0 else ""
            spent = f"{duration(cost['seconds'])}, {_memory(cost)}, {cost['device']}"
            yield verb, f"{spent}{through}{lately}"
    weights = {name: value for name, value in found["bytes"].items() if value is not None}
    if weights:
        yield "set", ", ".join(f"{name} {size(value)}" for name, value in weights.items())


def _memory(cost: Mapping[str, Any]) -> str:
    """Write the peak of a stage: of the device, and of the process where that is another memory."""
    host = cost.get("host_peak_bytes")
    beside = "" if host is None else f" and {size(host)} of the host's"
    return f"{size(cost['peak_memory_bytes'])} of memory{beside}"


def _keys(found: Mapping[str, Any]) -> Rows:
    sound = recomputing(found)
    for verb in VERBS:
        stage = found["stages"].get(verb)
        if stage is not None:
            keys = stage.get("keys") or [stage["key"]]
            verdict = Text("recomputes", style="green") if sound[verb] else Text("DIFFERS", style="bold red")
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            yield verb, Text.assemble(f"{keys[0][:SHORT]}{more}  ", verdict)
    checksum = flag(found) == "edited"
    yield "checksum", Text("DIFFERS", style="bold red") if checksum else Text(found["checksum"][:SHORT])
