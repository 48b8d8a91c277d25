"""The frozen nouns of ddbench. Standard library only; tensors appear in annotations alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
    from pathlib import Path

    import torch
    from torch import Tensor, nn

    from ddbench.kit.diffusion import Diffusion
    from ddbench.spec import Spec

Kind = Literal[
    "dataset",
    "architecture",
    "teacher",
    "generator",
    "synthesizer",
    "labeler",
    "evaluator",
    "metric",
    "executor",
    "reporter",
    "diagnostic",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
T = TypeVar("T")
StageKind = Literal["squeeze", "pretrain", "prepare", "synthesize", "relabel", "evaluate"]
Split = Literal["train", "test"]
Precision = Literal["float32", "bfloat16"]
Status = Literal["done", "reused", "failed", "skipped"]
Select = Literal["last", "best", "val"]
NUMBERS: dict[Select, str] = {"last": "top1", "best": "top1_best", "val": "top1_val"}
"""The column of a frame that is the number of a trial, by how its epoch is selected."""


# ------------------------------------------------------------------------------------------------ data


@dataclass(frozen=True, slots=True)
class Place:
    """Where files lie on this machine; never part of a key.

    ``root`` holds data sets, ``cache`` what may be derived from them again (statistics, say).
    """

    root: Path
    cache: Path
    download: bool = False


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a data set before it is opened.

    Attributes:
        name: what tables call it, without paths.
        recipe: whose hyper-parameters components fall back on, such as ``cifar10``; often the name itself.
        num_classes: number of classes, labels being 0 .. num_classes - 1.
        image_size: height and width in pixels; images are square.
        channels: 1 or 3.
        mean: per channel, of pixel values in [0, 1], for normalisation.
        std: per channel, likewise.
        sizes: number of images per split.
        class_counts: number of training images per class.
        fingerprint: hexadecimal digest of the content; enters every key.
        class_names: one per class, in label order.
        imagenet_classes: index of each class in ImageNet-1K, in label order; empty where the classes are others.
        holdout: every so-manyth training image of a class is held out for validation, and no method sees it; sizes and
            counts are of what is left. 0 for none; the harness sets it, data sets never do.
    """

    name: str
    recipe: str
    num_classes: int
    image_size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    sizes: Mapping[str, int]
    class_counts: tuple[int, ...]
    fingerprint: str
    class_names: tuple[str, ...]
    imagenet_classes: tuple[int, ...] = ()
    holdout: int = 0


class Examples(Protocol):
    """One split of a data set, in memory or streaming from disk."""

    @property
    def labels(self) -> Tensor:
        """Int64 class labels, shape (N,), on the CPU."""
        ...

    def images(self, indices: Tensor | slice) -> Tensor:
        """Return uint8 images, shape (B, C, H, W) at the data set's image size, on the CPU, in the order asked."""
        ...


@dataclass(frozen=True)
class Batch:
    """Images as a synthesizer hands them over: uint8 (B, C, H, W), with int64 class labels (B,)."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Distilled:
    """A distilled data set: uint8 images (N, C, H, W) and their class labels, int64 (N,), N = ipc x classes."""

    images: Tensor
    labels: Tensor
    data: DatasetSpec
    ipc: int


class Views(Protocol):
    """A batch of augmented images, as a student sees it; ``ddbench.kit.views`` makes them."""

    @property
    def images(self) -> Tensor:
        """Normalised float images, shape (B, C, H, W), on the stage's device."""
        ...

    @property
    def indices(self) -> Tensor:
        """Which image of the distilled set each view shows, int64 (B,)."""
        ...

    @property
    def partners(self) -> Tensor:
        """Which image is mixed into each view, int64 (B,); the same as ``indices`` where nothing is mixed."""
        ...

    @property
    def weights(self) -> Tensor:
        """The share of the first image in each view, float32 (B,) in [0, 1]."""
        ...

    @property
    def epoch(self) -> int:
        """Epoch of the student's training, from 0."""
        ...


@dataclass(frozen=True)
class EpochViews:
    """All views of one training: ``of(epoch)`` gives the batches of an epoch, 0 .. epochs - 1, as often as asked."""

    epochs: int
    of: Callable[[int], Iterable[Views]]


@dataclass(frozen=True)
class Labels:
    """Targets for views, and the temperature at which the student must match them.

    ``targets(views)`` returns probabilities, float32 (B, num_classes), rows summing to 1, without gradient. Where
    ``epochs`` is given there are labels for the views of the first so many epochs alone, and the student must be
    shown these views again and again.
    """

    targets: Callable[[Views], Tensor]
    temperature: float = 1.0
    epochs: int | None = None


# ------------------------------------------------------------------------------------- cells and trials


@dataclass(frozen=True, slots=True)
class Cell:
    """One square of a paper's table."""

    dataset: Spec
    teacher: Spec
    synthesizer: Spec
    ipc: int
    labeler: Spec
    evaluator: Spec
    architecture: Spec


@dataclass(frozen=True, slots=True)
class Trial:
    """One pair of seeds of a cell. A spread over trainings is not a spread over distillations: two axes."""

    cell: Cell
    synthesis_seed: int
    evaluation_seed: int


@dataclass(frozen=True)
class Stage:
    """A step that is computed once, ever.

    Attributes:
        kind: which of the six verbs.
        facts: everything that can change the outcome, as JSON can hold it.
        inputs: keys of the stages whose artifacts it reads, by role: ``teacher``, ``shard.0``, ...
        key: digest of kind, facts and input keys.
        specs: the components to call, every parameter written out; may hold paths, which are not in the key.
        label: one short line for people.
        attempt: which time it is tried, 1 unless workers died with it; executors say so, no key holds it.
    """

    kind: StageKind
    facts: Mapping[str, Any]
    inputs: Mapping[str, str]
    key: str
    specs: Mapping[str, Spec]
    label: str
    attempt: int = 1


# ---------------------------------------------------------------------------------------------- results


@dataclass(frozen=True, slots=True)
class Point:
    """One line of a training curve: epoch (1 is after the first), mean training loss, top-1 in percent."""

    epoch: int
    loss: float
    top1: float | None = None


@dataclass(frozen=True)
class Measures:
    """What an evaluator reports; accuracies in percent of the test split.

    ``top1`` is the accuracy after the last epoch: the number. ``top1_best`` is the highest seen on the test
    split during training, kept beside it because papers report it. ``loss`` is the test cross-entropy.

    Attributes:
        curve: of training, with the top-1 of the test split where it was tested.
        calibration_error: of the network after the last epoch on the test split, in [0, 1].
        top1_val: accuracy on the test split after the epoch with the highest accuracy on held-out training images, the
            first of several; where the task has such images.
        validation: their curve: cross-entropy and top-1 of the held-out images.
        top1_corrupted: mean of ``corrupted``.
        corrupted: accuracy on the test split under each corruption, by name and severity: ``jpeg:3``.
    """

    top1: float
    top5: float
    top1_best: float
    loss: float
    curve: tuple[Point, ...] = ()
    calibration_error: float | None = None
    top1_val: float | None = None
    validation: tuple[Point, ...] = ()
    top1_corrupted: float | None = None
    corrupted: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one stage took.

    Attributes:
        seconds: of wall-clock time.
        peak_memory_bytes: of the device, the highest at any moment; on the processor, of the process.
        device: its name.
        forward_images: images that went forward through the stage's teacher or generator, each counted every time.
        backward_images: images whose gradients, or the weights' for them, came back through it.
        attempts: 1, and one more for each worker or machine that was lost with the stage.
        host_peak_bytes: of the process, where the device is not the processor.
    """

    seconds: float
    peak_memory_bytes: int
    device: str
    forward_images: int = 0
    backward_images: int = 0
    attempts: int = 1
    host_peak_bytes: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a stage ended. ``meta`` is what the store keeps beside the artifact; ``error`` is one line."""

    stage: Stage
    status: Status
    meta: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What has become of a stage that was handed over. ``error`` is one line, where it failed."""

    status: Literal["waiting", "running", "failed"]
    error: str = ""


@dataclass(frozen=True)
class Result:
    """One trial's end: a row of the frame."""

    trial: Trial
    key: str
    status: Literal["done", "failed"]
    measures: Measures | None
    costs: Mapping[str, Cost]
    environment: Mapping[str, Any]
    error: str = ""


@dataclass(frozen=True)
class Event:
    """Something that happened in a run, told to every listener.

    ``name`` is ``run-started`` (``stages``: all of them, ``needed``: keys of those to compute),
    ``stage-started``, ``stage-progress`` (``done``, ``total`` and numbers such as ``loss`` and ``top1``),
    ``stage-finished`` (``outcome``), ``trial-finished`` (``result``: its result file, just written), ``warning``
    (``message``) or ``run-finished`` (``results``: those of all trials).
    """

    name: Literal[
        "run-started", "stage-started", "stage-progress", "stage-finished", "trial-finished", "warning", "run-finished"
    ]
    stage: Stage | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


# ------------------------------------------------------------------------------------------------ tasks


class Progress(Protocol):
    """Tells how far a stage is; cheap enough to call every iteration."""

    def __call__(self, done: int, total: int, **numbers: float) -> None:
        """Report ``done`` of ``total`` steps, with numbers worth watching (loss, top1)."""
        ...


def _unheard(line: str) -> None:
    """Hear nothing."""


@dataclass(frozen=True)
class Compute:
    """Where and how a stage computes. Every random number must derive from ``seed``.

    Attributes:
        device: where.
        precision: of forward passes and losses.
        seed: of this stage.
        progress: tells how far it is.
        parts: 2 once the stage has run out of the device's memory: engines then send a batch through their networks
            in so many parts where that changes no number, and otherwise save memory in another way.
        note: takes a line on how the stage was computed, where that was not as usual; it is shown and kept.
    """

    device: torch.device
    precision: Precision
    seed: int
    progress: Progress
    parts: int = 1
    note: Callable[[str], None] = _unheard


@dataclass(frozen=True)
class CheckTask:
    """What a component may look at to refuse a plan before anything runs; no computing, no writing."""

    data: DatasetSpec
    ipc: int
    build: Callable[[], nn.Module] | None = None


@dataclass(frozen=True)
class Passes:
    """Images that a stage will send through a network.

    Attributes:
        network: ``teacher`` or ``student``.
        images: how many, each counted every time.
        backward: what gradients are taken of: ``nothing``, the ``images`` alone, or the ``weights``.
        batch_size: images at once.
    """

    network: Literal["teacher", "student"]
    images: int
    backward: Literal["nothing", "images", "weights"]
    batch_size: int


@dataclass(frozen=True)
class Effort:
    """What a stage will take, told before it runs: passes through networks, and bytes to store beside images."""

    passes: tuple[Passes, ...] = ()
    stored_bytes: int = 0


@dataclass(frozen=True)
class EffortTask:
    """Tell the effort of a stage.

    Attributes:
        kind: which stage; a labeler is asked for ``relabel`` and for its share of ``evaluate``.
        data: what the images are.
        images: of the distilled set, as far as the stage makes or reads them.
        views: views that the student will see in all, for labelers; else 0.
    """

    kind: StageKind
    data: DatasetSpec
    images: int
    views: int = 0


@dataclass(frozen=True)
class SqueezeTask:
    """Make a teacher. ``build()`` gives the architecture with fresh weights drawn from the stage's seed."""

    data: DatasetSpec
    train: Examples
    test: Examples
    build: Callable[[], nn.Module]
    compute: Compute


@dataclass(frozen=True)
class PretrainTask:
    """Train a generator.

    Attributes:
        workspace: a folder of this stage that outlives a kill and is gone once the stage is stored: checkpoints.
        cache: a folder that stages share, for what can be derived again, such as encoded images.
    """

    data: DatasetSpec
    train: Examples
    compute: Compute
    workspace: Path
    cache: Path


@dataclass(frozen=True)
class LoadTask:
    """Hand out a generator. ``weights`` is what ``pretrain`` returned, empty where there is no such verb."""

    data: DatasetSpec
    weights: Mapping[str, Tensor]
    device: torch.device


def _no_generator() -> Diffusion:
    raise RuntimeError("there is no generator: set the class variable uses_generator = True and a field 'generator'")


@dataclass(frozen=True)
class PrepareTask:
    """Compute once what all images of a synthesizer share (fine-tuning, trajectories).

    Attributes:
        teacher: hands out a fresh copy in eval mode at every call, on the stage's device, gradients off.
        workspace: a folder of this stage that outlives a kill and is gone once the stage is stored: checkpoints.
        cache: a folder that stages share, for what can be derived again, such as encoded images.
        generator: hands out a fresh copy at every call, as ``teacher`` does.
    """

    data: DatasetSpec
    train: Examples
    teacher: Callable[[], nn.Module]
    compute: Compute
    workspace: Path
    cache: Path
    generator: Callable[[], Diffusion] = _no_generator


@dataclass(frozen=True)
class SynthesisTask:
    """Make images.

    Attributes:
        indices: which ipc indices to make; one index is one image of every class. Of an isolated synthesizer
            exactly one is asked at a time; of the others 0 .. ipc - 1.
        teacher: hands out a fresh copy in eval mode at every call, on the stage's device, gradients off.
        state: what ``prepare`` returned, or an empty mapping.
        synthesis_seed: the seed as the user gave it; ``compute.seed`` also holds the index.
        generator: hands out a fresh copy at every call, as ``teacher`` does.
    """

    data: DatasetSpec
    train: Examples
    teacher: Callable[[], nn.Module]
    state: Mapping[str, Tensor]
    indices: tuple[int, ...]
    synthesis_seed: int
    compute: Compute
    generator: Callable[[], Diffusion] = _no_generator


@dataclass(frozen=True)
class RelabelTask:
    """Compute and store what a student needs beside the images.

    ``views`` holds what one student will see, for labelers that say ``per_view``; else None, as for an exam that
    does not tell its views.
    """

    distilled: Distilled
    teacher: Callable[[], nn.Module]
    compute: Compute
    views: EpochViews | None = None


@dataclass(frozen=True)
class LabelsTask:
    """Hand out targets. ``stored`` is what ``relabel`` returned."""

    distilled: Distilled
    stored: Mapping[str, Tensor]
    teacher: Callable[[], nn.Module]
    compute: Compute


@dataclass(frozen=True)
class EvaluationTask:
    """Train one student from scratch and test it.

    ``validation`` holds training images that no method has seen, where the benchmark selects epochs by them.
    """

    distilled: Distilled
    labels: Labels
    test: Examples
    build: Callable[[], nn.Module]
    compute: Compute
    validation: Examples | None = None


@dataclass(frozen=True)
class Sizes:
    """What a distilled set of a cell takes, and real images beside it, known before anything runs.

    Attributes:
        nbytes: of its images and labels, those of a teacher included that labels as students train; None if unknown.
        image_bytes: of one image of every class.
        largest_ipc: training images of the smallest class.
        train_bytes: of all training images.
    """

    nbytes: int | None
    image_bytes: int
    largest_ipc: int
    train_bytes: int


@dataclass(frozen=True, slots=True)
class MetricColumn:
    """A metric's column of a frame, one value a trial, and what to say of it.

    Attributes:
        column: its name in the frame: ``metric:`` and the metric's spec.
        name: the metric's spec, as people wrote it.
        unit: of its values: ``fraction``, ``points`` (differences of percent), ``percent``, ``nats`` or another.
        higher_is_better: whether it is.
        summary: one line.
        notes: lines to print under the numbers.
    """

    column: str
    name: str
    unit: str
    higher_is_better: bool
    summary: str
    notes: tuple[str, ...] = ()


def _no_images(document: Mapping[str, Any]) -> Batch | None:  # noqa: ARG001 - none are at hand
    return None


@dataclass(frozen=True)
class RenderTask:
    """Show a frame. ``width`` and ``color`` describe the terminal; a file format may ignore them.

    Attributes:
        frame: a row a trial, as ``ddbench.load`` gives it.
        documents: the result files behind the rows, in any order; a row of an export has none. Each is read when it is
            asked for.
        images: gives the distilled images of a document, as far as this machine still has them.
        metrics: which columns of the frame are metrics.
        select: which column is the number of a trial: ``ddbench.types.NUMBERS``.
    """

    frame: Any
    width: int = 100
    color: bool = False
    documents: Sequence[Mapping[str, Any]] = ()
    images: Callable[[Mapping[str, Any]], Batch | None] = _no_images
    metrics: tuple[MetricColumn, ...] = ()
    select: Select = "last"


class Once(Protocol):
    """Computes what depends on data set and teacher alone a single time, for all diagnostics and sets of a command."""

    def __call__(self, name: Hashable, make: Callable[[], T], /) -> T:
        """Return what ``make()`` returned when this name was first asked for; begin names with your package's."""
        ...


@dataclass(frozen=True)
class DiagnosticTask:
    """Look at one distilled set.

    Attributes:
        distilled: the images as stored.
        key: tells this set from the others, in names for ``once``.
        train: the real training images.
        teacher: hands out a fresh copy in eval mode at every call, on the stage's device, gradients off.
        temperature: of the soft labels with which students are trained: the labeler's, else 1.
        once: remembers what several diagnostics or sets share.
        compute: the seed is the same for every set.
        state: what the synthesizer's ``prepare`` returned, or an empty mapping.
    """

    distilled: Distilled
    key: str
    train: Examples
    teacher: Callable[[], nn.Module]
    temperature: float
    once: Once
    compute: Compute
    state: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparisonTask:
    """Draw what one diagnostic measured in all sets of one data set and one teacher.

    ``frame`` has a row for each set, measure and class: ``synthesizer``, ``ipc``, ``synthesis_seed``, ``measure``,
    ``class`` (empty for what is of the whole set) and ``value``.
    """

    data: DatasetSpec
    frame: Any
    compute: Compute
