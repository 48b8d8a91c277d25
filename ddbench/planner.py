"""From cells to stages: each stage once, in an order in which inputs come first."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ddbench.commandline import placeless
from ddbench.errors import UserError, suggestion
from ddbench.holdout import held_out
from ddbench.keys import stage_key
from ddbench.plugins import one_line
from ddbench.registry import recipes
from ddbench.spec import Spec
from ddbench.types import Cell, CheckTask, Stage, StageKind, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import nn

    from ddbench.registry import Registry, Resolved
    from ddbench.types import DatasetSpec, Kind, Place


@dataclass(frozen=True)
class PlannedTrial:
    """A trial and the keys of the stages behind it.

    ``teacher`` is empty where nothing of the cell asks a teacher; ``pretrain`` and ``prepare`` are where the
    synthesizer has no generator to train and nothing to prepare.
    """

    trial: Trial
    data: DatasetSpec
    teacher: str
    pretrain: str
    prepare: str
    shards: tuple[str, ...]
    relabel: str
    evaluate: str

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of all its stages."""
        optional = filter(None, [self.teacher, self.pretrain, self.prepare])
        return (*optional, *self.shards, self.relabel, self.evaluate)


@dataclass
class Planner:
    """Resolves cells and lays out their stages; remembers both, so that a sweep of n cells costs n keys and no more.

    ``holdout``: every so-manyth training image of a class is held out for validation; 0 for none.
    """

    registry: Registry
    place: Place
    precision: str
    holdout: int = 0
    stages: dict[str, Stage] = field(default_factory=dict)
    _memory: dict[Any, Any] = field(default_factory=dict)

    def _once(self, name: Any, make: Callable[[], Any]) -> Any:
        if name not in self._memory:
            self._memory[name] = make()
        return self._memory[name]

    def trial(self, trial: Trial) -> PlannedTrial:
        """Resolve a trial's components, let them object, and lay out its stages."""
        cell = trial.cell
        dataset, data = self.data(cell.dataset)
        teacher = self._teacher(cell.teacher, data)
        method = self._method(cell.synthesizer, data, cell.ipc)
        synthesizer = method.synthesizer
        evaluator, labeler = self.exam(cell, data)
        student = self._component("architecture", cell.architecture, data, cell.ipc)
        if getattr(student.component, "pretrained", False):
            raise UserError(f"student '{student.short}' must start from scratch: leave pretrained to teachers")
        if not getattr(type(synthesizer.component), "draws", True):
            trial = replace(trial, synthesis_seed=0)  # n distillations would be one, told n times
        common = _Common(dataset, data, teacher, self.precision)
        asked = any(type(part.component).uses_teacher for part in (synthesizer, labeler))
        squeeze = self._once((common, "squeeze"), lambda: self._squeeze(common)) if asked else ""
        made: _Made = self._once(
            (common, synthesizer.full, cell.ipc, trial.synthesis_seed, squeeze),
            lambda: self._make(common, method, cell.ipc, trial.synthesis_seed, squeeze),
        )
        exam = _Exam(evaluator, student, labeler, trial.evaluation_seed)
        views = (evaluator.full, exam.seed) if exam.per_view else None
        relabel = self._once((made.shards, squeeze, labeler.full, views), lambda: self._relabel(common, exam, made))
        evaluate = self._evaluate(common, made, exam, relabel)
        shown = Cell(
            Spec(data.name),
            _placeless(_shown_teacher(teacher)) if asked else Spec("none"),
            _placeless(synthesizer.shown),
            made.ipc,
            _placeless(labeler.shown),
            _placeless(evaluator.short),
            _placeless(student.short),
        )
        return PlannedTrial(
            replace(trial, cell=shown), data, squeeze, made.pretrain, made.prepare, made.shards, relabel, evaluate
        )

    # ------------------------------------------------------------------------------------- components

    def data(self, spec: Spec) -> tuple[Resolved, DatasetSpec]:
        """Return a data set and its description."""
        return self._once(("data", spec), lambda: self._data(spec))  # type: ignore[no-any-return]

    def _data(self, spec: Spec) -> tuple[Resolved, DatasetSpec]:
        resolved = self.registry.resolve("dataset", spec)
        data = _asked(resolved, lambda: held_out(resolved.component.spec(self.place), self.holdout))
        if data.recipe != data.name:
            self._require_recipe(resolved.short, data.recipe)
        return resolved, data

    def _require_recipe(self, dataset: Spec, recipe: str) -> None:
        """Refuse a recipe that was asked for and that no component has: it would mean defaults, silently."""
        known = {name for entry in self.registry.entries() for name in recipes(entry)}
        if recipe not in known:
            raise UserError(f"dataset '{dataset}': no component has a recipe '{recipe}'{suggestion(recipe, known)}")

    def _component(self, kind: Kind, spec: Spec, data: DatasetSpec, ipc: int) -> Resolved:
        resolved: Resolved = self._once(
            (kind, spec, data.recipe), lambda: self.registry.resolve(kind, spec, data.recipe)
        )
        self._once((kind, spec, data.recipe, data.fingerprint, ipc), lambda: _check(resolved, CheckTask(data, ipc)))
        return resolved

    def _method(self, spec: Spec, data: DatasetSpec, ipc: int) -> _Method:
        synthesizer = self._component("synthesizer", spec, data, ipc)
        if not getattr(type(synthesizer.component), "uses_generator", False):
            return _Method(synthesizer)
        named = getattr(synthesizer.component, "generator", None)
        if not isinstance(named, str):
            raise UserError(f"synthesizer '{synthesizer.short}' cannot be planned: it has no field 'generator', a text")
        return _Method(synthesizer, self._component("generator", Spec.parse(named), data, ipc))

    def exam(self, cell: Cell, data: DatasetSpec) -> tuple[Resolved, Resolved]:
        """Return evaluator and labeler; an exam may set how labels are asked, and depend on ipc and student."""
        synthesizer = self._component("synthesizer", cell.synthesizer, data, cell.ipc)
        cell = replace(cell, ipc=_ipc(synthesizer, cell.ipc, data))
        occasion = {"ipc": str(cell.ipc), "student": cell.architecture.name}
        name = ("exam", cell.evaluator, cell.labeler, data.recipe, data.fingerprint, *occasion.values())
        return self._once(name, lambda: self._resolve_exam(cell, data, occasion))  # type: ignore[no-any-return]

    def _resolve_exam(self, cell: Cell, data: DatasetSpec, occasion: Mapping[str, str]) -> tuple[Resolved, Resolved]:
        evaluator = self.registry.resolve("evaluator", cell.evaluator, data.recipe, occasion)
        known = recipes(evaluator.entry)
        if evaluator.identity["name"] != evaluator.entry.name and data.recipe not in known:
            raise UserError(
                f"exam '{evaluator.entry.name}' has no recipe for '{data.recipe}'; it has for {', '.join(known)}; "
                f"'{evaluator.identity['name']}' serves every data set"
            )
        labels = known.get(data.recipe, {}).get("labels", {})
        labeler = self.registry.resolve("labeler", cell.labeler, data.recipe, over=labels)
        for part in (evaluator, labeler):
            _check(part, CheckTask(data, cell.ipc))
        if data.holdout and not getattr(type(evaluator.component), "validates", False):
            raise UserError(
                f"evaluator '{evaluator.short}' does not test on held-out images, which --select val needs: "
                "take another exam, or --select last"
            )
        if _is_per_view(labeler) and not hasattr(evaluator.component, "views"):
            raise UserError(
                f"labels '{labeler.short}' need an exam that tells its views; '{evaluator.short}' does not: "
                "take other labels or another exam"
            )
        return evaluator, labeler

    def teacher(self, cell: Cell) -> Spec:
        """Return a cell's teacher with every parameter written out: a bare architecture is a teacher to train."""
        _, data = self.data(cell.dataset)
        return self._teacher(cell.teacher, data).teacher.full

    def _teacher(self, spec: Spec, data: DatasetSpec) -> _Teacher:
        return self._once(("teacher", spec, data.fingerprint, data.recipe), lambda: self._resolve_teacher(spec, data))  # type: ignore[no-any-return]

    def _resolve_teacher(self, spec: Spec, data: DatasetSpec) -> _Teacher:
        teacher = self.registry.resolve("teacher", spec, data.recipe)
        named = Spec.parse(teacher.component.architecture)
        if getattr(type(teacher.component), "pretrained_weights", False):
            named = named.with_params(pretrained=True)
        architecture = self.registry.resolve("architecture", named, data.recipe)

        def build() -> nn.Module:
            return architecture.component.build(data)  # type: ignore[no-any-return]

        _check(architecture, CheckTask(data, 1))
        _check(teacher, CheckTask(data, 1, build))
        return _Teacher(teacher, architecture)

    # ----------------------------------------------------------------------------------------- stages

    def _add(
        self, kind: StageKind, facts: dict[str, Any], inputs: dict[str, str], specs: dict[str, Spec], label: str
    ) -> str:
        facts = facts | {"precision": self.precision}
        key = stage_key(kind, facts, inputs)
        self.stages.setdefault(key, Stage(kind, facts, inputs, key, specs, label))
        return key

    def _squeeze(self, common: _Common) -> str:
        teacher = common.teacher.teacher
        facts = {
            "data": common.data_facts,
            "teacher": common.teacher.identity,
            "seed": getattr(teacher.component, "seed", 0),
        }
        return self._add("squeeze", facts, {}, common.specs, f"teacher {_shown_teacher(common.teacher)}")

    def _make(self, common: _Common, method: _Method, ipc: int, seed: int, squeeze: str) -> _Made:
        """Lay out the stages that make a distilled set."""
        synth = method.synthesizer
        inputs = {"teacher": squeeze} if type(synth.component).uses_teacher else {}
        pretrain = self._pretrain(common, method.generator) if method.generator is not None else ""
        inputs = inputs | ({"generator": pretrain} if pretrain else {})
        prepare = self._prepare(common, method, seed, inputs) if hasattr(synth.component, "prepare") else ""
        inputs = inputs | ({"state": prepare} if prepare else {})
        shards = self._shards(common, method, ipc, seed, inputs)
        ipc = _ipc(synth, ipc, common.data)
        return _Made(f"{synth.shown} ipc {ipc} seed {seed}", ipc, squeeze, pretrain, prepare, shards)

    def _pretrain(self, common: _Common, generator: Resolved) -> str:
        """Lay out the training of a generator, unless it comes from files."""
        if not hasattr(generator.component, "pretrain"):
            return ""
        facts = {
            "data": common.data_facts,
            "generator": generator.identity,
            "seed": getattr(generator.component, "seed", 0),
        }
        specs = common.specs | {"generator": generator.full}
        return self._add("pretrain", facts, {}, specs, f"generator {generator.short}")

    def _prepare(self, common: _Common, method: _Method, seed: int, inputs: dict[str, str]) -> str:
        facts = {"data": common.data_facts, "synthesizer": method.prepare_identity, "seed": seed}
        label = f"{method.synthesizer.shown} seed {seed}, preparing"
        return self._add("prepare", facts, inputs, common.specs | method.specs, label)

    def _shards(self, common: _Common, method: _Method, ipc: int, seed: int, inputs: dict[str, str]) -> tuple[str, ...]:
        synth = method.synthesizer
        name, specs = f"{synth.shown} seed {seed}", common.specs | method.specs
        facts = {"data": common.data_facts, "synthesizer": method.identity, "seed": seed}
        if _is_whole(synth):
            return (self._add("synthesize", facts, inputs, specs, name),)
        if not type(synth.component).isolated:
            return (self._add("synthesize", facts | {"ipc": ipc}, inputs, specs, f"{name}, ipc {ipc}"),)
        return tuple(
            self._add("synthesize", facts | {"index": index}, inputs, specs, f"{name}, image {index + 1} of each class")
            for index in range(ipc)
        )

    def _relabel(self, common: _Common, exam: _Exam, made: _Made) -> str:
        labeler = exam.labeler
        facts = {"data": common.data_facts, "labeler": labeler.identity, "seed": 0}
        specs, label = common.specs | {"labeler": labeler.full}, f"{made.name}, labels {labeler.shown}"
        if exam.per_view:
            facts |= {"evaluator": exam.evaluator.identity, "seed": exam.seed}
            specs |= {"evaluator": exam.evaluator.full}
            label += f" of {exam.evaluator.short} seed {exam.seed}"
        inputs = _by_role(made.shards) | ({"teacher": made.squeeze} if type(labeler.component).uses_teacher else {})
        return self._add("relabel", facts, inputs, specs, label)

    def _evaluate(self, common: _Common, made: _Made, exam: _Exam, relabel: str) -> str:
        facts = {
            "data": common.data_facts,
            "evaluator": exam.evaluator.identity,
            "architecture": exam.student.identity,
            "seed": exam.seed,
        }
        inputs = _by_role(made.shards) | {"labels": relabel}
        if type(exam.labeler.component).uses_teacher:
            inputs = inputs | {"teacher": made.squeeze}
        components = {"evaluator": exam.evaluator.full, "student": exam.student.full, "labeler": exam.labeler.full}
        label = f"{made.name}, student {exam.student.short} seed {exam.seed}"
        return self._add("evaluate", facts, inputs, common.specs | components, label)


@dataclass(frozen=True)
class _Method:
    """A synthesizer, and the generator that it builds on if it does."""

    synthesizer: Resolved
    generator: Resolved | None = None

    @property
    def identity(self) -> dict[str, Any]:
        return {**self.synthesizer.identity, **self._built_on}

    @property
    def prepare_identity(self) -> dict[str, Any]:
        """What decides the prepared state: all of the identity, unless the synthesizer says less."""
        component, whole = self.synthesizer.component, self.identity
        if not hasattr(component, "prepare_identity"):
            return whole
        own = {name: whole[name] for name in ("name", "version")}
        return {**own, **component.prepare_identity(), **self._built_on}

    @property
    def _built_on(self) -> dict[str, Any]:
        return {} if self.generator is None else {"generator": dict(self.generator.identity)}

    @property
    def specs(self) -> dict[str, Spec]:
        built_on = {} if self.generator is None else {"generator": self.generator.full}
        return {"synthesizer": self.synthesizer.full, **built_on}


@dataclass(frozen=True)
class _Made:
    """A distilled set, as its stages know it."""

    name: str
    ipc: int
    squeeze: str
    pretrain: str
    prepare: str
    shards: tuple[str, ...]


@dataclass(frozen=True)
class _Exam:
    """What one student sits."""

    evaluator: Resolved
    student: Resolved
    labeler: Resolved
    seed: int

    @property
    def per_view(self) -> bool:
        return _is_per_view(self.labeler)


@dataclass(frozen=True)
class _Teacher:
    teacher: Resolved
    architecture: Resolved

    @property
    def identity(self) -> dict[str, Any]:
        return {**self.teacher.identity, "architecture": self.architecture.identity}


@dataclass(frozen=True, eq=False)
class _Common:
    """What all stages of a cell share."""

    dataset: Resolved
    data: DatasetSpec
    teacher: _Teacher
    precision: str

    @property
    def name(self) -> tuple[Any, ...]:
        return (self.dataset.full, self.teacher.teacher.full, self.teacher.architecture.full)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Common) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def data_facts(self) -> dict[str, Any]:
        """What of the data set enters keys: its content and how it is normalised, not what it is called."""
        described = asdict(self.data)
        always = ("fingerprint", "num_classes", "image_size", "channels", "mean", "std")
        chosen = (*always, "holdout") if self.data.holdout else always
        return {name: list(value) if isinstance(value := described[name], tuple) else value for name in chosen}

    @property
    def specs(self) -> dict[str, Spec]:
        return {
            "dataset": self.dataset.full,
            "teacher": self.teacher.teacher.full,
            "teacher_architecture": self.teacher.architecture.full,
        }


def _is_whole(synthesizer: Resolved) -> bool:
    """Tell whether a synthesizer hands over the whole training set, whatever the ipc."""
    return getattr(type(synthesizer.component), "whole", False)


def _ipc(synthesizer: Resolved, asked: int, data: DatasetSpec) -> int:
    """Return the ipc: what was asked, or of the whole training set the images per class, on average."""
    return max(1, round(sum(data.class_counts) / data.num_classes)) if _is_whole(synthesizer) else asked


def _is_per_view(labeler: Resolved) -> bool:
    """Tell whether a labeler stores labels of single views."""
    return getattr(type(labeler.component), "per_view", False)


def _check(resolved: Resolved, task: CheckTask) -> None:
    if hasattr(resolved.component, "check"):
        _asked(resolved, lambda: resolved.component.check(task))


def _asked(resolved: Resolved, ask: Callable[[], Any]) -> Any:
    """Call a component while planning; whatever it raises ends as one line that names it."""
    try:
        return ask()
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{resolved.entry.kind} '{resolved.short}' cannot be planned: {one_line(error)}") from error


def _by_role(shards: Iterable[str]) -> dict[str, str]:
    return {f"shard.{index}": key for index, key in enumerate(shards)}


def _placeless(spec: Spec) -> Spec:
    """Tell a path that leaves the working folder by its last part: results are handed on, and compared elsewhere."""
    return Spec.of(
        spec.name, {key: placeless(value) if isinstance(value, str) else value for key, value in spec.params}
    )


def _shown_teacher(teacher: _Teacher) -> Spec:
    """Show a trained teacher by its architecture, as papers do: ``resnet18``, not ``train[architecture=resnet18]``."""
    short = teacher.teacher.short
    if short.name != "train":
        return short
    rest = {key: value for key, value in short.params if key != "architecture"}
    architecture = teacher.architecture.short
    return Spec.of(architecture.name, {**architecture.mapping(), **rest})
