"""The committed baseline of the gate is of the gate's own trials, as the present code keys them."""

from __future__ import annotations

from pathlib import Path

from ddbench import benchmark as grids
from ddbench import frames
from ddbench.plan import plan
from ddbench.registry import registry
from ddbench.types import Place

ROOT = Path(__file__).parents[2]
NOWHERE = Place(Path("data"), Path("cache"))  # digits lie in a package


def test_the_baseline_holds_every_trial_of_the_gate_and_no_other() -> None:
    planned = plan(grids.build(grids.load(ROOT / "benchmarks" / "gate.toml")), registry(), NOWHERE)
    baseline = frames.load(ROOT / "results" / "gate")

    assert sorted(baseline["key"]) == sorted(trial.evaluate for trial in planned.trials), (
        "ddbench run benchmarks/gate.toml --out results/gate --device cpu"
    )
    assert set(baseline["status"]) == {"done"}
    assert set(baseline["flag"]) == {""}


def test_every_cell_of_the_gate_has_the_spread_of_eight_distillations() -> None:
    baseline = frames.load(ROOT / "results" / "gate")

    cells = baseline.groupby(["synthesizer", "labeler"])
    assert dict(cells["synthesis_seed"].nunique()) == dict(cells.size())
    assert set(cells.size()) == {8}
