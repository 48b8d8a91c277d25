"""``--metrics`` and ``--select`` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]
HARD = ("--labels", "hard", "--metrics", "ior,hlr")


def test_a_run_tells_metrics_and_computes_what_they_compare_with(run: Call, command: Call) -> None:
    ended = run(*HARD)

    assert ended.code == 0, ended.err
    assert "metrics: ior, hlr" in ended.out
    assert "ior (fraction, higher is better): Improvement over random" in " ".join(ended.out.split())
    assert {path.parent.parent.name for path in Path("results").rglob("*.json")} == {"toy-synth", "random", "full"}
    assert run(*HARD).out == ended.out


def test_a_report_computes_metrics_from_ordinary_results(run: Call, command: Call) -> None:
    plain = run("--labels", "hard")
    assert "metrics" not in plain.out
    told = command("report", "--metrics", "ior,nll")
    assert told.code == 0
    assert "ior is not known of any trial: 'ddbench run --metrics ior' computes what it needs" in " ".join(
        told.out.split()
    )
    assert run("--labels", "hard", "--synth", "random").code == 0
    known = command("report", "--metrics", "ior")
    assert "0.000 ± 0.000 (2)" in known.out
    assert "is not known" not in known.out


def test_a_plan_tells_how_many_trials_are_references(run: Call, command: Call) -> None:
    told = run("--dry-run", *HARD)
    assert "4 of the trials are references, there for metrics to compare with" in " ".join(told.out.split())
    assert "references" not in run("--dry-run").out
    trials = json.loads(run("--dry-run", "--json", *HARD).out)["trials"]
    assert [trial["reference"] for trial in trials] == [False, False, True, True, True, True]


def test_json_holds_metrics_beside_the_trials(run: Call) -> None:
    trials = json.loads(run("--json", *HARD).out)["trials"]
    assert [trial["synthesizer"] for trial in trials] == ["toy-synth"] * 2 + ["random"] * 2 + ["full"] * 2
    for trial in trials[:2]:
        other = next(each for each in trials[2:4] if each["evaluation_seed"] == trial["evaluation_seed"])
        assert trial["metric:ior"] == pytest.approx((trial["top1"] - other["top1"]) / 100)
    assert [trial["metric:hlr"] for trial in trials[2:4]] != [None, None]


def test_the_selected_epoch_is_named_and_shown(run: Call, command: Call) -> None:
    exam = ("--evaluator", "standard[epochs=3,test_every=1,padding=0,mixup=0.0,batch_size=2]", "--labels", "hard")
    best, again = run(*exam, "--select", "best"), command("report", "--select", "best")
    assert "after the epoch that is best on that split" in " ".join(best.out.split())
    assert best.out.startswith(again.out)
    val = run(*exam, "--select", "val", "--out", "held")
    assert val.code == 0, val.err
    assert "after the epoch that is best on held-out training images" in " ".join(val.out.split())
    [trial, _] = json.loads(run(*exam, "--select", "val", "--out", "held", "--json").out)["trials"]
    assert trial["top1_val"] is not None


def test_an_exam_that_cannot_validate_ends_in_one_line(run: Call) -> None:
    ended = run("--select", "val")
    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith("Error: evaluator 'toy-exam' does not test on held-out images")


def test_a_benchmark_file_may_ask_for_metrics(command: Call, run: Call) -> None:
    written = run("--print-config", "--metrics", "lrs,gap", "--select", "best").out
    assert 'metrics = ["lrs[weight=0.5]", "gap"]' in written
    assert 'select = "best"' in written


def test_an_unknown_metric_ends_in_one_line(run: Call) -> None:
    ended = run("--metrics", "lsr")
    assert (ended.code, ended.err.splitlines()[-1]) == (2, "Error: unknown metric 'lsr'; did you mean 'lrs'?")


def test_info_tells_a_metrics_unit_and_which_way_is_better(command: Call, toys: list[str]) -> None:
    told = command("info", "hlr")
    assert told.out.startswith("hlr  metric, version 1, ddbench ")
    assert "; fraction, lower is better" in told.out
    document = json.loads(command("info", "lrs", "--json").out)
    assert (document["unit"], document["higher_is_better"]) == ("fraction", True)
    assert [each["name"] for each in document["parameters"]] == ["weight"]
