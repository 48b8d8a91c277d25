"""From cells to stages: each stage once, in an order in which inputs come first."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError, suggestion
from ddbench.holdout import held_out
from ddbench.keys import stage_key
from ddbench.plugins import one_line
from ddbench.registry import placeless, recipes
from ddbench.spec import Spec
from ddbench.types import Cell, CheckTask, Stage, StageKind, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

    from ddbench.registry import Registry, Resolved
    from ddbench.types import DatasetSpec, Kind, Place


@dataclass(frozen=True, slots=True)
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

    def _once(self, name: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        found = self._memory.get(name)
        if found is None:
            found = self._memory[name] = make()
        return found

    def trial(self, trial: Trial) -> PlannedTrial:
        """Resolve a trial's components, let them object, and lay out its stages."""
        cell = trial.cell
        common = self._common(cell)
        method = self._method(cell.synthesizer, common.data, cell.ipc)
        exam = self._sitting(common, cell, trial.evaluation_seed, whole=_is_whole(method.synthesizer))
        draws = getattr(type(method.synthesizer.component), "draws", True)
        seed = trial.synthesis_seed if draws else 0  # n distillations would be one, told n times
        asked = any(type(part.component).uses_teacher for part in (method.synthesizer, exam.labeler))
        squeeze = self._once(("squeeze", common), lambda: self._squeeze(common)) if asked else ""
        made: _Made = self._once(
            ("made", common, method, seed, squeeze), lambda: self._make(common, method, cell.ipc, seed, squeeze)
        )
        relabel, inputs = self._once(("label", made, *exam.labels), lambda: self._label(common, exam, made))
        label = f"{made.name}, student {exam.student.short} seed {exam.seed}"
        evaluate = self._add("evaluate", exam.facts, inputs, exam.specs, label)
        teacher = common.teacher.told if asked else Spec("none")
        cell = Cell(common.told, teacher, method.synthesizer.told, made.ipc, *exam.told)
        return PlannedTrial(
            Trial(cell, seed, exam.seed),
            common.data, squeeze, made.pretrain, made.prepare, made.shards, relabel, evaluate,
        )  # fmt: skip

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

    def _common(self, cell: Cell) -> _Common:
        """Return what all stages of a cell share."""

        def make() -> _Common:
            dataset, data = self.data(cell.dataset)
            return _Common(dataset, data, self._teacher(cell.teacher, data), self.precision)

        return self._once(("common", cell.dataset, cell.teacher), make)  # type: ignore[no-any-return]

    def _component(self, kind: Kind, spec: Spec, data: DatasetSpec, ipc: int) -> Resolved:
        name = (kind, spec, data.recipe, data.fingerprint, ipc)
        return self._once(name, lambda: self._resolve(kind, spec, data, ipc))  # type: ignore[no-any-return]

    def _resolve(self, kind: Kind, spec: Spec, data: DatasetSpec, ipc: int) -> Resolved:
        """Resolve a component, once for all ipc, and let it object."""
        resolved: Resolved = self._once(
            (kind, spec, data.recipe), lambda: self.registry.resolve(kind, spec, data.recipe)
        )
        _check(resolved, CheckTask(data, ipc))
        return resolved

    def _method(self, spec: Spec, data: DatasetSpec, ipc: int) -> _Method:
        name = ("method", spec, data.recipe, data.fingerprint, ipc)
        return self._once(name, lambda: self._resolve_method(spec, data, ipc))  # type: ignore[no-any-return]

    def _resolve_method(self, spec: Spec, data: DatasetSpec, ipc: int) -> _Method:
        synthesizer = self._component("synthesizer", spec, data, ipc)
        if not getattr(type(synthesizer.component), "uses_generator", False):
            return _Method(synthesizer)
        named = getattr(synthesizer.component, "generator", None)
        if not isinstance(named, str):
            raise UserError(f"synthesizer '{synthesizer.short}' cannot be planned: it has no field 'generator', a text")
        return _Method(synthesizer, self._component("generator", Spec.parse(named), data, ipc))

    def _sitting(self, common: _Common, cell: Cell, seed: int, *, whole: bool) -> _Exam:
        """Return what one student sits."""

        def make() -> _Exam:
            evaluator, labeler = self.exam(cell, common.data)
            student = self._component("architecture", cell.architecture, common.data, cell.ipc)
            if getattr(student.component, "pretrained", False):
                raise UserError(f"student '{student.short}' must start from scratch: leave pretrained to teachers")
            return _Exam(common, evaluator, student, labeler, seed)

        name = ("sitting", common, cell.evaluator, cell.labeler, cell.architecture, cell.ipc, whole, seed)
        return self._once(name, make)  # type: ignore[no-any-return]

    def exam(self, cell: Cell, data: DatasetSpec) -> tuple[Resolved, Resolved]:
        """Return evaluator and labeler; an exam may set how labels are asked, and depend on ipc and student."""
        ipc = _ipc(self._method(cell.synthesizer, data, cell.ipc).synthesizer, cell.ipc, data)
        name = ("exam", cell.evaluator, cell.labeler, data.recipe, data.fingerprint, ipc, cell.architecture.name)
        return self._once(name, lambda: self._resolve_exam(replace(cell, ipc=ipc), data))  # type: ignore[no-any-return]

    def _resolve_exam(self, cell: Cell, data: DatasetSpec) -> tuple[Resolved, Resolved]:
        occasion = {"ipc": str(cell.ipc), "student": cell.architecture.name}
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
        key = stage_key(kind, facts, inputs)
        self.stages.setdefault(key, Stage(kind, facts, inputs, key, specs, label))
        return key

    def _squeeze(self, common: _Common) -> str:
        teacher = common.teacher.teacher
        facts = {"teacher": common.teacher.identity, "seed": getattr(teacher.component, "seed", 0)}
        return self._add("squeeze", common.facts | facts, {}, common.specs, f"teacher {common.teacher.shown}")

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
        facts = common.facts | {"generator": generator.identity, "seed": getattr(generator.component, "seed", 0)}
        specs = common.specs | {"generator": generator.full}
        return self._add("pretrain", facts, {}, specs, f"generator {generator.short}")

    def _prepare(self, common: _Common, method: _Method, seed: int, inputs: dict[str, str]) -> str:
        facts = common.facts | {"synthesizer": method.prepare_identity, "seed": seed}
        label = f"{method.synthesizer.shown} seed {seed}, preparing"
        return self._add("prepare", facts, inputs, common.specs | method.specs, label)

    def _shards(self, common: _Common, method: _Method, ipc: int, seed: int, inputs: dict[str, str]) -> tuple[str, ...]:
        synth = method.synthesizer
        name, specs = f"{synth.shown} seed {seed}", common.specs | method.specs
        facts = common.facts | {"synthesizer": method.identity, "seed": seed}
        if _is_whole(synth):
            return (self._add("synthesize", facts, inputs, specs, name),)
        if not type(synth.component).isolated:
            return (self._add("synthesize", facts | {"ipc": ipc}, inputs, specs, f"{name}, ipc {ipc}"),)
        return tuple(
            self._add("synthesize", facts | {"index": index}, inputs, specs, f"{name}, image {index + 1} of each class")
            for index in range(ipc)
        )

    def _label(self, common: _Common, exam: _Exam, made: _Made) -> tuple[str, dict[str, str]]:
        """Lay out the labels of a distilled set; returns their key, and all that a student of them reads."""
        labeler = exam.labeler
        facts = common.facts | {"labeler": labeler.identity, "seed": 0}
        specs, label = common.specs | {"labeler": labeler.full}, f"{made.name}, labels {labeler.shown}"
        if exam.per_view:
            facts |= {"evaluator": exam.evaluator.identity, "seed": exam.seed}
            specs |= {"evaluator": exam.evaluator.full}
            label += f" of {exam.evaluator.short} seed {exam.seed}"
        inputs = _by_role(made.shards) | ({"teacher": made.squeeze} if type(labeler.component).uses_teacher else {})
        key = self._add("relabel", facts, inputs, specs, label)
        return key, inputs | {"labels": key}


@dataclass(frozen=True, eq=False)
class _Method:
    """A synthesizer, and the generator that it builds on if it does."""

    synthesizer: Resolved
    generator: Resolved | None = None

    @functools.cached_property
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


@dataclass(frozen=True, eq=False)
class _Made:
    """A distilled set, as its stages know it."""

    name: str
    ipc: int
    squeeze: str
    pretrain: str
    prepare: str
    shards: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Exam:
    """What one student sits."""

    common: _Common
    evaluator: Resolved
    student: Resolved
    labeler: Resolved
    seed: int

    @property
    def per_view(self) -> bool:
        return _is_per_view(self.labeler)

    @functools.cached_property
    def labels(self) -> tuple[Any, ...]:
        """What decides the labels of a distilled set."""
        return (self.labeler.full, *((self.evaluator.full, self.seed) if self.per_view else ()))

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        parts = {"evaluator": self.evaluator.identity, "architecture": self.student.identity}
        return self.common.facts | parts | {"seed": self.seed}

    @functools.cached_property
    def specs(self) -> dict[str, Spec]:
        parts = {"evaluator": self.evaluator.full, "student": self.student.full, "labeler": self.labeler.full}
        return self.common.specs | parts

    @functools.cached_property
    def told(self) -> tuple[Spec, Spec, Spec]:
        return self.labeler.told, self.evaluator.told, self.student.told


@dataclass(frozen=True)
class _Teacher:
    teacher: Resolved
    architecture: Resolved

    @property
    def identity(self) -> dict[str, Any]:
        return {**self.teacher.identity, "architecture": self.architecture.identity}

    @property
    def shown(self) -> Spec:
        """A trained teacher by its architecture, as papers do: ``resnet18``, not ``train[architecture=resnet18]``."""
        short = self.teacher.short
        if short.name != "train":
            return short
        rest = {key: value for key, value in short.params if key != "architecture"}
        return self.architecture.short.with_params(**rest)

    @functools.cached_property
    def told(self) -> Spec:
        return placeless(self.shown)


@dataclass(frozen=True, eq=False)
class _Common:
    """What all stages of a cell share."""

    dataset: Resolved
    data: DatasetSpec
    teacher: _Teacher
    precision: str

    @functools.cached_property
    def told(self) -> Spec:
        return Spec(self.data.name)

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        """What enters every key: of the data set its content and how it is normalised, not what it is called."""
        always = ("fingerprint", "num_classes", "image_size", "channels", "mean", "std")
        chosen = (*always, "holdout") if self.data.holdout else always
        described = ((name, getattr(self.data, name)) for name in chosen)
        data = {name: list(value) if isinstance(value, tuple) else value for name, value in described}
        return {"data": data, "precision": self.precision}

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
