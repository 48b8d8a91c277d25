"""What a benchmark comes to: trials, and their stages, each once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ddbench import holdout
from ddbench.planner import Planner
from ddbench.references import references

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ddbench.benchmark import Benchmark
    from ddbench.planner import PlannedTrial
    from ddbench.registry import Registry
    from ddbench.spec import Spec
    from ddbench.types import Kind, Place, Stage, Trial


@dataclass(frozen=True)
class Plan:
    """What a benchmark comes to: its trials, and their stages by key, inputs before those who read them.

    The last ``references`` trials are there for metrics alone.
    """

    benchmark: Benchmark
    trials: tuple[PlannedTrial, ...]
    stages: Mapping[str, Stage]
    references: int = 0

    def needed(self, present: Callable[[Stage], bool], wanted: Iterable[str] = ()) -> set[str]:
        """Return the keys to compute: absent evaluations and ``wanted``, and of what they read what is absent too."""
        needed: set[str] = set()
        waiting = [*wanted, *(trial.evaluate for trial in self.trials)]
        while waiting:
            stage = self.stages[waiting.pop()]
            if stage.key in needed or present(stage):
                continue
            needed.add(stage.key)
            waiting.extend(stage.inputs.values())
        return needed


def plan(benchmark: Benchmark, registry: Registry, place: Place) -> Plan:
    """Resolve every name, let every component object, and lay out the stages.

    Raises:
        UserError: a name, parameter, data set or combination that cannot work; nothing has been computed or written.
    """
    planner = _planner(benchmark, registry, place)
    metrics = [registry.resolve("metric", spec) for spec in benchmark.metrics]
    asked = tuple(dict.fromkeys(benchmark.trials()))
    own = _distinct(planner.trial(trial) for trial in asked)
    both = own | _distinct(references(planner, metrics, asked))
    return Plan(benchmark, tuple(both.values()), planner.stages, len(both) - len(own))


def _planner(benchmark: Benchmark, registry: Registry, place: Place) -> Planner:
    every = holdout.EVERY if benchmark.select == "val" else 0
    return Planner(registry, place, benchmark.precision, every)


def _distinct(planned: Iterable[PlannedTrial]) -> dict[tuple[Trial, str], PlannedTrial]:
    """Take each trial once: two spellings of one thing are one trial."""
    return {(trial.trial, trial.evaluate): trial for trial in planned}


def written_out(benchmark: Benchmark, registry: Registry, place: Place) -> Benchmark:
    """Return a benchmark with every parameter of its components written out, recipes and defaults filled in.

    The recipe is the data set's: with several data sets names and parameters are checked, and stay as they were. So
    does an exam whose parameters differ between cells, by ipc or student, and the labels of such exams.

    Raises:
        UserError: as ``plan``.
    """
    benchmark = replace(benchmark, metrics=tuple(registry.resolve("metric", spec).full for spec in benchmark.metrics))
    planner = _planner(benchmark, registry, place)
    trials = list(benchmark.trials())
    for trial in trials:
        planner.trial(trial)
    datasets = {trial.cell.dataset for trial in trials}
    if len(datasets) > 1:
        return benchmark
    dataset, data = planner.data(datasets.pop())
    exams = [(trial.cell, *planner.exam(trial.cell, data)) for trial in trials]
    met = {
        "labels": [(cell.labeler, labeler.full) for cell, _, labeler in exams],
        "evaluator": [(cell.evaluator, exam.full) for cell, exam, _ in exams],
    }
    kinds: dict[str, Kind] = {"teacher": "teacher", "synth": "synthesizer", "eval": "architecture"}

    def spell(name: str, specs: tuple[Spec, ...]) -> tuple[Spec, ...]:
        if name == "dataset":
            return (dataset.full,)
        if name in met:
            return _where_one(specs, met[name])
        return tuple(registry.resolve(kinds[name], spec, data.recipe).full for spec in specs)

    return benchmark.spelt(spell)


def _where_one(specs: tuple[Spec, ...], met: Iterable[tuple[Spec, Spec]]) -> tuple[Spec, ...]:
    """Write out the specs that mean the same in every cell in which they were met."""
    meanings: dict[Spec, set[Spec]] = {}
    for spec, full in met:
        meanings.setdefault(spec, set()).add(full)
    known = {spec: found.pop() for spec, found in meanings.items() if len(found) == 1}
    return tuple(known.get(spec, spec) for spec in specs)
