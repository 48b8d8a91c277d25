"""What diagnostics see in the distilled sets of a plan, as far as the store has them."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from ddbench.bench import Bench, make_repeatable, resolve_device
from ddbench.errors import CorruptArtifactError, UserError
from ddbench.keys import digest
from ddbench.plugins import one_line
from ddbench.registry import registry
from ddbench.store import open_store
from ddbench.types import CheckTask, ComparisonTask, Compute, DiagnosticTask

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from ddbench.bench import Context
    from ddbench.plan import Plan
    from ddbench.planner import PlannedTrial
    from ddbench.registry import Resolved
    from ddbench.spec import Spec
    from ddbench.store import AnyStore
    from ddbench.types import Cell, DatasetSpec, Progress, Stage

    Verb = Literal["measure", "draw", "compare"]

SEED = 0  # of every set: what differs between sets is never the lot
COLUMNS = (
    "dataset", "teacher", "synthesizer", "ipc", "synthesis_seed", "temperature", "diagnostic", "measure", "class",
    "value", "key",
)  # fmt: skip
"""Of the frame; ``class`` is empty for what is of the whole set, ``key`` names the distilled images."""


@dataclass(frozen=True)
class DistilledSet:
    """A distilled set of a plan and the teacher to look at it with.

    Attributes:
        cell: its coordinates, as tables show them; those of students play no part.
        seed: the synthesis seed.
        data: the data set.
        stage: reads the set's shards, the synthesizer's state, and the teacher unless nothing in the plan asks for one.
        temperature: of the soft labels that students are told, 1 where they have none.
    """

    cell: Cell
    seed: int
    data: DatasetSpec
    stage: Stage
    temperature: float

    @property
    def shards(self) -> list[str]:
        """Keys of the stages that made its images."""
        return [key for role, key in self.stage.inputs.items() if role.startswith("shard.")]

    @property
    def teacher(self) -> str:
        """Key of the teacher, or an empty string."""
        return self.stage.inputs.get("teacher", "")

    @property
    def key(self) -> str:
        """Digest of the shards' keys."""
        return digest(self.shards)

    @property
    def name(self) -> str:
        """One short line for people."""
        return f"{self.cell.synthesizer} ipc {self.cell.ipc} seed {self.seed}"

    @property
    def coordinates(self) -> dict[str, Any]:
        """Its columns of the frame."""
        cell = self.cell
        named = {"dataset": cell.dataset, "teacher": cell.teacher, "synthesizer": cell.synthesizer}
        written = {name: str(spec) for name, spec in named.items()}
        return {**written, "ipc": cell.ipc, "synthesis_seed": self.seed, "temperature": self.temperature}


@dataclass(frozen=True)
class Finding:
    """What came of one verb of one diagnostic: measures or a figure, or ``error``, one line.

    ``looked_at`` is the set, or for ``compare`` the first of those that were compared.
    """

    verb: Verb
    diagnostic: Spec
    looked_at: DistilledSet
    outcome: Any = None
    error: str = ""


def distilled_sets(plan: Plan) -> list[DistilledSet]:
    """Return the distilled sets of a plan, each once for every teacher and temperature of labels."""
    trials: dict[tuple[Any, ...], dict[float | None, PlannedTrial]] = {}
    for planned in plan.trials:
        temperature = plan.stages[planned.relabel].specs["labeler"].mapping().get("temperature")
        trials.setdefault((planned.shards, planned.teacher), {}).setdefault(temperature, planned)
    taught = {shards for shards, teacher in trials if teacher}
    return [
        _distilled_set(plan, planned, 1.0 if temperature is None else temperature)
        for (shards, teacher), each in trials.items()
        if teacher or shards not in taught
        for temperature, planned in each.items()
        if temperature is not None or len(each) == 1
    ]


def _distilled_set(plan: Plan, planned: PlannedTrial, temperature: float) -> DistilledSet:
    inputs = {f"shard.{index}": key for index, key in enumerate(planned.shards)}
    inputs |= {"teacher": planned.teacher} if planned.teacher else {}
    inputs |= {"state": planned.prepare} if planned.prepare else {}
    stage = replace(plan.stages[planned.relabel], inputs=inputs)
    return DistilledSet(planned.trial.cell, planned.trial.synthesis_seed, planned.data, stage, temperature)


def is_stored(chosen: DistilledSet, store: AnyStore, *, teacher: bool) -> bool:
    """Tell whether the store has a set's images, and its teacher where that is needed too."""
    images = all(store.has("synthesize", key) for key in chosen.shards)
    return images and (not teacher or store.has("squeeze", chosen.teacher))


def diagnostic(spec: Spec, chosen: DistilledSet) -> Resolved:
    """Return a diagnostic with the parameters that the data set's recipe gives it.

    Raises:
        UserError: unknown name or parameter, or the diagnostic objects to the data.
    """
    resolved = registry().resolve("diagnostic", spec, chosen.data.recipe)
    if hasattr(resolved.component, "check"):
        resolved.component.check(CheckTask(chosen.data, chosen.cell.ipc))
    return resolved


def analyze(
    sets: Iterable[DistilledSet], diagnostics: Sequence[Spec], context: Context, progress: Progress, *, figures: bool
) -> Iterator[Finding]:
    """Yield what each diagnostic sees in each set, and in the sets of one data set and teacher together.

    The sets must be stored, and come in the order of ``distilled_sets``. Whatever a diagnostic raises is a finding.

    Raises:
        UserError: a stored image is corrupt, or a data set cannot be opened.
    """
    for _, group in itertools.groupby(sets, key=lambda chosen: (chosen.data.fingerprint, chosen.teacher)):
        looks = _Looks(context, progress, figures)
        alike = list(group)
        for chosen in alike:
            yield from looks.at(chosen, [diagnostic(spec, chosen) for spec in diagnostics])
        if figures:
            yield from looks.comparisons(alike[0], [diagnostic(spec, alike[0]) for spec in diagnostics])


@dataclass
class _Looks:
    """What diagnostics share while they look at the sets of one data set and one teacher."""

    context: Context
    progress: Progress
    figures: bool
    memory: dict[Hashable, Any] = field(default_factory=dict)
    found: list[Finding] = field(default_factory=list)

    def at(self, chosen: DistilledSet, diagnostics: Sequence[Resolved]) -> Iterator[Finding]:
        task = self._task(chosen)
        for resolved in diagnostics:
            for verb in self._verbs(resolved):
                finding = _call(verb, resolved, chosen, task)
                self.found.append(replace(finding, outcome=finding.outcome if verb == "measure" else None))
                yield finding

    def comparisons(self, first: DistilledSet, diagnostics: Sequence[Resolved]) -> Iterator[Finding]:
        for resolved in diagnostics:
            measured = frame(finding for finding in self.found if finding.diagnostic == resolved.short)
            if hasattr(resolved.component, "compare") and len(measured):
                task = ComparisonTask(first.data, measured, self._compute(first))
                yield _call("compare", resolved, first, task)

    def _verbs(self, resolved: Resolved) -> list[Verb]:
        wanted: tuple[Verb, ...] = ("measure", "draw") if self.figures else ("measure",)
        return [verb for verb in wanted if hasattr(resolved.component, verb)]

    def _compute(self, chosen: DistilledSet) -> Compute:
        device = resolve_device(self.context.device)
        return Compute(device, chosen.stage.facts["precision"], SEED, self.progress)

    def _task(self, chosen: DistilledSet) -> DiagnosticTask:
        compute = self._compute(chosen)
        bench = Bench(chosen.stage, self.context, compute, open_store(self.context.store))
        prepared = bench.store.has("prepare", chosen.stage.inputs.get("state", ""))
        try:
            distilled = bench.distilled
            state = bench.state if prepared else {}  # it may have been pruned: the images are there all the same
        except CorruptArtifactError as error:
            raise UserError(f"{error}; 'ddbench cache verify' removes it, then 'ddbench run' makes it anew") from None
        train = bench.examples("train")
        return DiagnosticTask(
            distilled, chosen.key, train, bench.teacher, chosen.temperature, self._once, compute, state
        )

    def _once(self, name: Hashable, make: Callable[[], Any], /) -> Any:
        if name not in self.memory:
            self.memory[name] = make()
        return self.memory[name]


def _call(verb: Verb, resolved: Resolved, chosen: DistilledSet, task: Any) -> Finding:
    finding = functools.partial(Finding, verb, resolved.short, chosen)
    make_repeatable(SEED, task.compute.device)
    try:
        return finding(getattr(resolved.component, verb)(task))
    except Exception as error:  # noqa: BLE001 - whatever a diagnostic raises leaves a gap, and the others go on
        return finding(error=one_line(error))


def frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Return measures as a tidy frame, one row a set, measure and class."""
    import pandas as pd

    measured = [finding for finding in findings if finding.verb == "measure" and not finding.error]
    rows = [row for finding in measured for row in _rows(finding)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"value": "float64", "temperature": "float64"})


def _rows(finding: Finding) -> Iterator[dict[str, Any]]:
    known = {**finding.looked_at.coordinates, "diagnostic": str(finding.diagnostic), "key": finding.looked_at.key}
    measures: Mapping[str, float] = finding.outcome
    for name, value in measures.items():
        measure, _, label = name.partition("/")
        yield {**known, "measure": measure, "class": label, "value": float(value)}


def document(measures: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as JSON can hold them: what is not a number is null."""
    rows = ({str(name): value for name, value in row.items()} for row in measures.to_dict("records"))
    return [{**row, "value": None if math.isnan(row["value"]) else row["value"]} for row in rows]
