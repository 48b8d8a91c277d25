"""One protocol per kind of component, one verb each.

A component is a frozen dataclass whose fields are its parameters, with a docstring that cites its source and
a class variable ``version`` that a human raises when its numbers change. Fields give the command-line syntax
(``dwa[rho=0.02]``), validation, ``ddbench info``, the defaults and the key.

A component may also have

``check(task: CheckTask) -> None``
    refuse a plan by raising :class:`ddbench.UserError`, before anything runs or is written;
``identity() -> Mapping[str, object]``
    what of its fields enters the key, in place of all of them: a path is replaced by its content's digest;
``shown(written: Mapping[str, object]) -> Mapping[str, object]``
    the parameters that tables show, of those that were written: a name in place of a path;
``effort(task: EffortTask) -> Effort``
    what a stage will take, from which ``ddbench plan`` estimates time and disk; without it, that is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pandas as pd
    from torch import Tensor, nn

    from ddbench.kit.diffusion import Diffusion
    from ddbench.types import (
        Batch,
        Cell,
        DatasetSpec,
        EvaluationTask,
        Event,
        Examples,
        Labels,
        LabelsTask,
        LoadTask,
        Measures,
        Outcome,
        Place,
        RelabelTask,
        RenderTask,
        Split,
        SqueezeTask,
        Stage,
        SynthesisTask,
    )

    Tell = Callable[[Event], None]
    Work = Callable[[Stage, Tell], Outcome]


class Component(Protocol):
    """What every kind has in common."""

    version: ClassVar[int]


class Dataset(Component, Protocol):
    """Real images with labels."""

    def spec(self, place: Place) -> DatasetSpec:
        """Describe the data, reading no more of it than that takes."""
        ...

    def open(self, split: Split, place: Place) -> Examples:
        """Open one split: uint8 images and labels, never a transform."""
        ...


class Architecture(Component, Protocol):
    """A network with random weights."""

    def build(self, data: DatasetSpec) -> nn.Module:
        """Return a network from normalised images (B, C, H, W) to logits (B, num_classes), its stem fit to the size."""
        ...


class Teacher(Component, Protocol):
    """A network trained on the real data."""

    @property
    def architecture(self) -> str:
        """What ``task.build()`` gives; a field."""
        ...

    def squeeze(self, task: SqueezeTask) -> nn.Module:
        """Return the trained network; the harness scores it on the test split before anyone uses it."""
        ...


class Generator(Component, Protocol):
    """A generative model of the data, on which synthesizers build as others build on a teacher.

    A generator that is trained here has ``pretrain(task: PretrainTask) -> Mapping[str, Tensor]``: its tensors are
    stored once, for all methods and synthesis seeds, and handed to ``load``. A field ``seed`` is that training's seed.
    ``save(model: Diffusion, folder: Path, data: DatasetSpec) -> None``, where it has that, writes a model that it gave,
    since tuned perhaps, in the form of the library that it comes from: ``ddbench export-generator`` calls it.
    """

    def load(self, task: LoadTask) -> Diffusion:
        """Return the model on the task's device."""
        ...


class Synthesizer(Component, Protocol):
    """A distillation method.

    ``isolated`` says that the images of ipc index *i* depend on the synthesis seed and *i* alone: each index is then
    a stage of its own, and a small ipc is the beginning of a large one. ``uses_teacher`` says whether
    ``task.teacher`` is called at all. A synthesizer may also have ``prepare(task: PrepareTask)`` returning a mapping
    of tensors that is stored and handed to every ``synthesize``, and ``prepare_identity() -> Mapping[str, object]``:
    what of its fields decides that state, in place of all of them. One that builds on a generator has the class
    variable ``uses_generator = True`` and a field ``generator``, its spec as text; ``task.generator`` hands it out.
    Where it tunes that, ``prepared(model: Diffusion, state) -> Diffusion`` gives the model that it samples. The class
    variable ``whole = True`` says that the images are the whole training set, in any order: ``task.indices`` is then
    empty. ``draws = False`` says that no random number is drawn, so that every synthesis seed would give the same
    images: they are made once. One that reads images which are there already has
    ``survey(data: DatasetSpec) -> Mapping[str, object]``, which says their ``ipc`` and what ``ddbench eval`` tells.
    """

    isolated: ClassVar[bool]
    uses_teacher: ClassVar[bool]

    def synthesize(self, task: SynthesisTask) -> Iterable[Batch]:
        """Yield images of the indices asked: for each index and class exactly one."""
        ...


class Labeler(Component, Protocol):
    """What a student is told about the images.

    One whose labels depend on a temperature has a field ``temperature``, which exams set. A labeler may also have the
    class variable ``per_view = True``: what it stores belongs to the views of one student,
    so that its stage is asked once for every exam and evaluation seed, with ``task.views`` filled.
    """

    uses_teacher: ClassVar[bool]

    def relabel(self, task: RelabelTask) -> Mapping[str, Tensor]:
        """Return the tensors to store beside the images; their bytes are the label bytes of the tables."""
        ...

    def labels(self, task: LabelsTask) -> Labels:
        """Return targets for views."""
        ...


class Evaluator(Component, Protocol):
    """The exam.

    An evaluator may also have ``views(distilled: Distilled, compute: Compute) -> EpochViews``: just the views on which
    ``evaluate`` trains under the same ``compute.seed``. Labels of single views can be stored for such an exam alone.
    One that tests on ``task.validation`` too, and gives ``top1_val``, has the class variable ``validates = True``: only
    such an exam serves a benchmark that selects epochs by held-out images.
    """

    def evaluate(self, task: EvaluationTask) -> Measures:
        """Train one student from scratch on the distilled set, test it on the real test split."""
        ...


class Metric(Component, Protocol):
    """A number computed from trials: their accuracies and costs, compared with those of reference trials.

    ``unit`` is ``fraction``, ``points`` (differences of percent), ``percent``, ``nats`` or another. A metric may also
    have ``notes(frame: pd.DataFrame) -> Iterable[str]``, lines to print under its numbers, and
    ``sized(cell: Cell, sizes: Sizes) -> Iterable[Cell]``, further reference cells, which depend on what the distilled
    set takes (:class:`ddbench.types.Sizes`).
    """

    unit: ClassVar[str]
    higher_is_better: ClassVar[bool]

    def needs(self, cell: Cell) -> Iterable[Cell]:
        """Return the reference cells of a cell, which may be itself; pure.

        They are planned with the cell's seeds and computed like all others, once for all methods. The cell's teacher
        is written out: its parameter ``architecture`` says what is taught.
        """
        ...

    def score(self, frame: pd.DataFrame) -> pd.Series[float]:
        """Return one value for each row, under the index of the frame; NaN where it cannot be said; pure.

        Rows are trials, as ``ddbench.load`` gives them, done or failed, each trial once. ``top1`` is the accuracy that
        the user selected.
        """
        ...


class Frontier(Protocol):
    """The stages of a run whose inputs are there. The runner keeps it; an executor asks."""

    def ready(self) -> Sequence[Stage]:
        """Return stages that became ready since the last call, each once."""
        ...

    def __bool__(self) -> bool:
        """Tell whether stages are left, be they ready, running or waiting."""
        ...


class Executor(Component, Protocol):
    """Where stages run.

    An executor may also have

    ``elsewhere: ClassVar[bool] = True``
        its workers may be on other machines, which share this one's folders: neither the device nor room in its memory
        is looked for here;
    ``require() -> None``
        raise a :class:`ddbench.UserError` before anything runs if it cannot work here, a package being missing, say;
    ``submit(work: Work, stages: Sequence[Stage]) -> int``
        hand over stages, inputs before those who read them, to workers that outlive this process, but for stages that
        such a worker has already; returns how many were handed over. ``ddbench run --detach`` calls it;
    ``standing(stages: Sequence[Stage]) -> Mapping[str, Standing]``
        tell by key what has become of stages that were handed over and are not in the store.
    """

    def map(self, work: Work, frontier: Frontier, tell: Tell, device: str = "auto") -> Iterator[Outcome]:
        """Call ``work(stage, tell)`` on every stage of the frontier as it becomes ready, and yield the outcomes.

        ``work`` is picklable and raises nothing; ``tell`` must be called in this process, so an executor with
        workers elsewhere carries their events home. After each outcome that is yielded the runner updates the
        frontier: asking ``ready`` again, when the iterator is next advanced, gives the stages that it has set free.
        ``device`` is the user's choice; ``work`` knows it too, an executor may need it to place its workers.
        A stage whose worker died is tried again, ``replace(stage, attempt=2)``, or gives an outcome with status
        ``failed``; one whose work failed is not tried again. Torch computes on one thread, as in every executor:
        several add in another order, and the last bits of numbers would depend on who ran them.
        """
        ...


class Reporter(Component, Protocol):
    """A form of the results table, or a figure of results.

    A figure also has ``draw(task: RenderTask) -> matplotlib.figure.Figure``, for formats that are not text.
    """

    def render(self, task: RenderTask) -> str:
        """Return the text; pure.

        Rows of the frame whose ``status`` is ``reported`` are numbers that a paper printed and nobody measured.
        """
        ...


class Diagnostic(Component, Protocol):
    """A look at distilled images without training on them.

    A diagnostic has at least one of three verbs:

    ``measure(task: DiagnosticTask) -> Mapping[str, float]``
        numbers by name, NaN for what cannot be said of this set. A name may end in a slash and the name of a class,
        ``coverage/cat``, for the number of that class; tables show the others;
    ``draw(task: DiagnosticTask) -> matplotlib.figure.Figure``
        a figure of one set;
    ``compare(task: ComparisonTask) -> matplotlib.figure.Figure``
        a figure of what ``measure`` gave in all sets of one data set and teacher.

    matplotlib is imported inside the verbs that draw, and pyplot, whose figures are global, never.
    ``uses_teacher`` says whether ``task.teacher`` is called at all.
    """

    uses_teacher: ClassVar[bool]
