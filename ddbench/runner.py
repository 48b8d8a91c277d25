"""Runs a plan with an executor, tells events, and writes results as they come."""

from __future__ import annotations

import functools
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbench import benchmark as grids
from ddbench import frames, results
from ddbench.bench import Context, require_device
from ddbench.commandline import harmless_message
from ddbench.errors import CorruptArtifactError, UserError
from ddbench.frontier import StageFrontier
from ddbench.location import Location, default_location, derived, location
from ddbench.metrics import scored
from ddbench.plan import Plan
from ddbench.plan import plan as make_plan
from ddbench.plugins import one_line
from ddbench.registry import registry
from ddbench.room import require_room_to_run
from ddbench.spec import Spec
from ddbench.stages import UNREAD, sound_meta, work
from ddbench.store import open_store, require_writable
from ddbench.types import Event, Outcome, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import pandas as pd

    from ddbench.planner import PlannedTrial
    from ddbench.protocols import Work
    from ddbench.store import AnyStore


@dataclass(frozen=True)
class Settings:
    """Where and how a run runs; nothing here changes a number or a key."""

    out: Path = Path("results")
    store: Location = field(default_factory=default_location)
    data_root: Path = Path("data")
    download: bool = False
    device: str = "auto"
    executor: Spec = field(default_factory=lambda: Spec("processes"))

    @property
    def place(self) -> Place:
        """Where data sets lie."""
        return Place(self.data_root, derived(self.store), self.download)


def run(**options: Any) -> pd.DataFrame:
    """Run a benchmark and return its trials as a frame.

    Options are the command line's: ``synth``, ``eval``, ``dataset``, ``ipc``, ``teacher``, ``labels``, ``evaluator``,
    ``seeds``, ``synth_seeds``, ``teacher_floor``, ``precision``, ``metrics`` (each a further column, ``metric:lrs``),
    ``select`` and ``benchmark`` (a TOML file) say what;
    ``out``, ``store``, ``data_root``, ``download``, ``device`` and ``executor`` say where. In a script, call it under
    ``if __name__ == "__main__":``, for the workers of ``processes`` import the script anew.

    Raises:
        UserError: a name, value or combination that cannot work; nothing has been computed or written.
    """
    where = {name: options.pop(name) for name in Settings.__dataclass_fields__ if name in options}
    for name in ("out", "data_root"):
        if name in where:
            where[name] = Path(where[name])
    if "store" in where:
        where["store"] = location(where["store"])
    if isinstance(where.get("executor"), str):
        where["executor"] = Spec.parse(where["executor"])
    file = options.pop("benchmark", None)
    layers = [grids.load(Path(file))] if file else []
    chosen = grids.build(*layers, grids.settings(options, "run({}=...)"))
    settings = Settings(**where)
    return scored(frames.frame(execute(prepare(chosen, settings), settings)), chosen.metrics, chosen.select)[0]


def prepare(benchmark: grids.Benchmark, settings: Settings) -> Plan:
    """Plan a benchmark and check that this machine can run it.

    Raises:
        UserError: it cannot; nothing has been computed or written.
    """
    require_able(settings)
    return make_plan(benchmark, registry(), settings.place)


def require_able(settings: Settings) -> None:
    """Raise a UserError unless this machine has the device and executor, and lets results and stages be written."""
    require_writable(settings.out, "the results folder", "--out")
    open_store(settings.store).require_writable()
    executor = chosen_executor(settings)
    if hasattr(executor, "require"):
        executor.require()
    if not getattr(executor, "elsewhere", False):
        require_device(settings.device)


def chosen_executor(settings: Settings) -> Any:
    """Return the executor that the settings name."""
    return registry().resolve("executor", settings.executor).component


def assignment(settings: Settings) -> Work:
    """Return what an executor calls on every stage."""
    context = Context(settings.store, settings.place, settings.device)
    return functools.partial(work, context=context)


def execute(plan: Plan, settings: Settings) -> list[dict[str, Any]]:
    """Run what is missing of a plan; returns the trials' documents, in the order of the plan, as written to files."""
    return _Run(plan, settings).documents()


class _Run:
    """One run's memory: metas by stage key, and what failed."""

    def __init__(self, plan: Plan, settings: Settings) -> None:
        self.plan, self.settings = plan, settings
        self.listeners = _Listeners()
        self.metas: dict[str, Mapping[str, Any]] = {}
        self.errors: dict[str, str] = {}
        self.tracebacks: dict[str, str] = {}
        self.written: dict[str, dict[str, Any]] = {}
        self.unwritten: dict[str, UserError] = {}  # result files that could not be; their stages are in the store
        self._trials: dict[str, list[PlannedTrial]] = {}  # one exam under two names is two trials of one key
        for trial in plan.trials:
            self._trials.setdefault(trial.evaluate, []).append(trial)

    def documents(self) -> list[dict[str, Any]]:
        stages = self.plan.stages
        store = open_store(self.settings.store, self._warn)
        needed = self._needed(store, self._read_store(store))
        if not getattr(chosen_executor(self.settings), "elsewhere", False):
            require_room_to_run(self.plan, needed, self.metas.values(), self.settings.device)
        frontier = StageFrontier(stages, needed)
        for key in [key for key, stage in stages.items() if stage.kind == "squeeze" and key in self.metas]:
            self._hold_to_floor(key, frontier)
        self.tell(Event("run-started", None, {"stages": list(stages.values()), "needed": needed}))
        try:
            if self._work_through(frontier):
                self._work_through(self._once_more(store), last=True)
        finally:
            self._write_all()
            self.tell(Event("run-finished", None, {"results": list(self.written.values())}))
        for error in self.unwritten.values():
            raise error
        return [self.written[self._file(trial).as_posix()] for trial in self.plan.trials]

    def tell(self, event: Event) -> None:
        self.listeners.tell(event)

    def _warn(self, message: str) -> None:
        self.tell(Event("warning", None, {"message": message}))

    def _read_store(self, store: AnyStore) -> set[str]:
        """Read the metas of all stages that are there; returns the keys found corrupt."""
        corrupt = set()
        present = store.present((stage.kind, key) for key, stage in self.plan.stages.items())
        for key, stage in self.plan.stages.items():
            if (stage.kind, key) not in present:
                continue
            try:
                meta = store.glance(stage.kind, key)
            except CorruptArtifactError:
                corrupt.add(key)
            else:
                self.metas |= {} if meta is None else {key: meta}
        return corrupt - self._sound(store, corrupt)

    def _needed(self, store: AnyStore, corrupt: set[str]) -> set[str]:
        """Return the keys to compute; what these stages will read is verified byte for byte, and else computed too.

        What has failed in this run is not tried again.
        """
        verified: set[str] = set()
        while True:
            needed = self.plan.needed(lambda stage: stage.key in self.metas or stage.key in self.errors, corrupt)
            read = {key for reader in needed for key in self.plan.stages[reader].inputs.values()}
            if not (unsure := (read & self.metas.keys()) - verified):
                return needed
            verified |= unsure
            corrupt |= unsure - self._sound(store, unsure)

    def _sound(self, store: AnyStore, keys: Collection[str]) -> set[str]:
        """Verify some artifacts, every byte that is here; returns those that are sound. Others are told and removed."""
        store.present((self.plan.stages[key].kind, key) for key in keys)  # asks a store elsewhere for all at once
        for key in sorted(keys):
            stage = self.plan.stages[key]
            self.metas.pop(key, None)
            with store.lock(key):
                meta = sound_meta(store, stage, self.tell)
            if meta is not None:
                self.metas[key] = meta
        return set(keys) & self.metas.keys()

    def _work_through(self, frontier: StageFrontier, *, last: bool = False) -> set[str]:
        """Run stages; returns the errors of those that could not read an input, for which it is not the last time.

        They and what waits for them stay as if they had not had their turn.
        """
        executor = chosen_executor(self.settings)
        unread: set[str] = set()
        for outcome in executor.map(assignment(self.settings), frontier, self.tell, self.settings.device):
            if UNREAD in outcome.meta and not last:
                unread.add(outcome.error)
                frontier.settle(outcome)
                self._warn(f"{outcome.stage.label}: {outcome.meta[UNREAD]}; it is computed anew after the other stages")
            else:
                self._settle(outcome, frontier)
        self._take_skipped(frontier, unread)
        return unread

    def _once_more(self, store: AnyStore) -> StageFrontier:
        """Return the stages that are left, and before them what they could not read."""
        frontier = StageFrontier(self.plan.stages, self._needed(store, set()))
        for key, error in self.errors.items():
            frontier.fail(key, error)
        return frontier

    def _settle(self, outcome: Outcome, frontier: StageFrontier) -> None:
        key = outcome.stage.key
        if outcome.status == "failed":
            self.errors[key] = outcome.error
            self.tracebacks[key] = outcome.meta.get("traceback", "")
        else:
            self.metas[key] = outcome.meta
        frontier.settle(outcome)
        if outcome.stage.kind == "squeeze" and outcome.status != "failed":
            self._hold_to_floor(key, frontier)
        self.tell(Event("stage-finished", outcome.stage, {"outcome": outcome}))
        for trial in self._trials.get(key, ()):
            self._write(trial)

    def _take_skipped(self, frontier: StageFrontier, unread: set[str]) -> None:
        for outcome in [each for each in frontier.skipped if each.error not in unread]:
            self.errors[outcome.stage.key] = outcome.error
            self.tell(Event("stage-finished", outcome.stage, {"outcome": outcome}))

    def _hold_to_floor(self, key: str, frontier: StageFrontier) -> None:
        """Fail whatever reads a teacher that scored below the floor: by default one and a half times chance."""
        stage, top1 = self.plan.stages[key], self.metas[key]["result"]["top1"]
        floor = self.plan.benchmark.teacher_floor
        floor = 100 * grids.NEAR_CHANCE / stage.facts["data"]["num_classes"] if floor is None else floor
        if top1 >= floor:
            return
        error = (
            f"{stage.label} scores {top1:.1f} % on the test split, under the floor of {floor:.1f} %: labels in another "
            "order than the teacher's classes score near chance, a wrong mean or std costs tens of points; "
            "check the order of class folders and the normalisation, or lower --teacher-floor"
        )
        self.errors[key] = error
        frontier.fail(key, error)

    # ---------------------------------------------------------------------------------------- results

    def _file(self, planned: PlannedTrial) -> Path:
        return results.path_of(self.settings.out, planned.trial, planned.evaluate)

    def _write_all(self) -> None:
        """Write what is known of every trial that has ended, whether in this run or before it."""
        for trial in self.plan.trials:
            path = self._file(trial).as_posix()
            if path not in self.written or path in self.unwritten:
                self._write(trial)

    def _write(self, planned: PlannedTrial) -> None:
        there = planned.evaluate in self.metas  # what was needed to make it again may have failed since
        concerned = (planned.teacher,) if there else planned.keys
        culprit = next((key for key in concerned if key in self.errors), "")
        error = self.errors.get(culprit, "")
        if not error and not there:
            return  # interrupted before its turn
        path = self._file(planned)
        told = {"error": error, "traceback": self.tracebacks.get(culprit, "")}
        end = {"status": "failed" if error else "done", **{part: harmless_message(text) for part, text in told.items()}}
        document = results.document(self.plan, planned, self.metas, end)
        if not error and not self.metas.keys() >= set(planned.keys):
            with suppress(UserError):  # a damaged file is written anew
                document = results.sound(path) or document  # what it cost was known then, and is pruned by now
        self.written[path.as_posix()] = document
        try:
            results.write(path, document)
            self.unwritten.pop(path.as_posix(), None)
        except UserError as error:  # the stages to come can be stored all the same
            self.unwritten[path.as_posix()] = error
        self.tell(Event("trial-finished", None, {"result": document}))


class _Listeners:
    """Hands events to plugins; one that raises is left out from then on."""

    def __init__(self) -> None:
        self._deaf: set[str] = set()

    def tell(self, event: Event) -> None:
        troubles = [self._call(listener, event) for listener in self._implementations()]
        for message in filter(None, troubles):
            self.tell(Event("warning", None, {"message": message}))

    def _implementations(self) -> list[Any]:
        listeners = registry().plugins.manager.hook.ddbench_event.get_hookimpls()
        return [listener for listener in listeners if listener.plugin_name not in self._deaf]

    def _call(self, listener: Any, event: Event) -> str | None:
        function: Callable[..., None] = listener.function
        try:
            function(event)
        except Exception as error:  # noqa: BLE001 - a listener observes; it cannot change or fail a run
            self._deaf.add(listener.plugin_name)
            return f"listener '{listener.plugin_name}' failed and is left out: {one_line(error)}"
        return None
