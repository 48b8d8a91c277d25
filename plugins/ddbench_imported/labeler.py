"""Soft labels that came with the images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Gt
from pydantic import TypeAdapter, ValidationError

from ddbench.errors import UserError
from ddbench.spec import Spec
from ddbench.types import Effort, Labels
from ddbench_imported.classes import number_of
from ddbench_imported.synthesizer import Images

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ddbench.types import CheckTask, DatasetSpec, EffortTask, LabelsTask, RelabelTask, Views
    from ddbench_imported.classes import Matched
    from ddbench_imported.source import Soft

_EXACT = 1e-5  # how far the sum of probabilities may be from 1 if nothing but float32 rounded it


@dataclass(frozen=True)
class Own:
    """The soft labels that a set brought with it, one an image, mixed as images are mixed.

    Source: made up here, for sets whose labels were learnt with the images (Sucholutsky and Schonlau, "Soft-Label
    Dataset Distillation", arXiv 1910.02551) or stored once (as ``static`` does). They are read from the set itself, in
    the order of its images: labels of shape (N, classes) in a ``.pt`` file, column ``soft_label`` of parquet, or a
    file ``labels.safetensors`` beside the images with ``soft_labels`` or ``logits``. No teacher is asked.

    Probabilities p that were taken at temperature S are told at temperature T as softmax(S / T log p), logits l as
    softmax(l / T). Columns are in the order of the classes that the file names, else of the set's own numbers, else of
    the data set's classes.

    Attributes:
        images: the set, as ``--synth`` names it: ``images[path=...]``; ``ddbench eval`` says it for you. Its content,
            not its path, enters the key.
        values: what the rows hold: ``probabilities``, ``logits``, or ``auto``: probabilities where every row is one.
        temperature: at which students are told, and must match; exams set it. Default: that of the probabilities.
        taken_at: the temperature of the probabilities; default: what the set says, else ``temperature``, else 1.
    """

    version: ClassVar[int] = 1
    uses_teacher: ClassVar[bool] = False

    images: str = ""
    values: Literal["auto", "probabilities", "logits"] = "auto"
    temperature: Annotated[float, Gt(0)] | None = None
    taken_at: Annotated[float, Gt(0)] | None = None

    def shown(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that tables show: the set stands beside them."""
        return {key: value for key, value in written.items() if key != "images"}

    def identity(self) -> dict[str, object]:
        """Return what decides the labels: the set's content in place of its path."""
        return {**vars(self), "images": self._set().identity()}

    def check(self, task: CheckTask) -> None:
        """Refuse a set without soft labels, or with others than one sound row an image."""
        self._read(task.data)

    def effort(self, task: EffortTask) -> Effort:
        """Tell of no passes, and of the rows to store."""
        return Effort((), 4 * task.images * task.data.num_classes if task.kind == "relabel" else 0)

    def relabel(self, task: RelabelTask) -> Mapping[str, Tensor]:
        """Store a row an image, float32 (N, classes): probabilities as they came, where they are told so, else logits.

        With them the temperature at which they are told.

        Raises:
            UserError: the images are not those of the set.
        """
        rows = self._read(task.distilled.data)
        self._require_same(task)
        return rows

    def labels(self, task: LabelsTask) -> Labels:
        """Return targets of the stored rows at the temperature, blended where views are."""
        stored, temperature = task.stored, float(task.stored["temperature"])
        soft = stored["probabilities"] if "probabilities" in stored else _soft(stored["logits"], temperature)
        table = soft.to(task.compute.device)

        def targets(views: Views) -> Tensor:
            return table[views.partners].lerp(table[views.indices], views.weights[:, None])

        return Labels(targets, temperature)

    def _set(self) -> Images:
        """Return the set that ``images`` names.

        Raises:
            UserError: it names none.
        """
        if not self.images:
            raise UserError(
                "labels 'own' of which set? 'ddbench eval' knows; in 'run' say own[images=images[path=...]]"
            )
        spec = Spec.parse(self.images)
        if spec.name != "images":
            raise UserError(f"labels 'own' come with images[path=...], not with '{spec.name}': correct images=")
        try:
            return TypeAdapter(Images).validate_json(json.dumps(spec.mapping()), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "parameters"
            raise UserError(f"labels 'own' cannot read '{self.images}': {where}: {first['msg']}") from None

    def _read(self, data: DatasetSpec) -> dict[str, Tensor]:
        """Return the rows to store, their columns in the order of the data set's classes.

        Raises:
            UserError: there are none, or they are not what they should be.
        """
        images = self._set()
        source, matched, labels = images.matched(data)
        soft = source.soft()
        if soft is None:
            raise UserError(
                f"{images.path} brought no soft labels: expected labels (N, classes), a column soft_label or a file "
                "labels.safetensors; or take --labels hard or online"
            )
        if tuple(soft.rows.shape) != (len(labels), data.num_classes):
            raise UserError(
                f"{soft.where} holds soft labels of shape {tuple(soft.rows.shape)} for {len(labels)} images of "
                f"{data.num_classes} classes: write a row an image and a column a class"
            )
        columns = images.match(soft.classes, data).labels if soft.classes else numbered(source.names, matched)
        if soft.labels is not None:
            _require_alike(torch.tensor(columns), labels, soft)
        rows = torch.empty(soft.rows.shape).index_copy_(1, torch.tensor(columns), soft.rows.float())
        return self._told(rows, soft)

    def _told(self, rows: Tensor, soft: Soft) -> dict[str, Tensor]:
        sums = rows.double().sum(1, keepdim=True)
        if not rows.isfinite().all():
            raise UserError(f"{soft.where} holds soft labels that are not finite: write them anew")
        if self.values == "probabilities" and soft.values == "logits":
            raise UserError(f"{soft.where} holds rows that do not sum to 1: they may be logits (values=logits)")
        taken_at = self.taken_at or soft.temperature or self.temperature or 1.0
        told_at = {"temperature": torch.tensor(self.temperature or taken_at, dtype=torch.float64)}
        if "logits" in {self.values, soft.values}:
            return {"logits": rows, **told_at}
        exact = bool(((sums - 1).abs() <= _EXACT).all())
        rows = rows if exact else (rows / sums).float()
        as_taken = self.temperature in {None, taken_at}
        return {**({"probabilities": rows} if as_taken else {"logits": taken_at * rows.log()}), **told_at}

    def _require_same(self, task: RelabelTask) -> None:
        """Raise a UserError unless the images are those of the set, in its order."""
        images, data, done = self._set(), task.distilled.data, 0
        for block in images.matched(data)[0].blocks(images.frame(data)):
            if not torch.equal(block, task.distilled.images[done : done + len(block)]):
                raise UserError(f"labels 'own' of {images.path} are not those of these images: name both by one set")
            done += len(block)
            task.compute.progress(done, len(task.distilled.images))


def _require_alike(columns: Tensor, labels: Tensor, soft: Soft) -> None:
    """Raise a UserError unless a file's class numbers are those of the images."""
    theirs = soft.labels if soft.labels is not None else labels
    sound = theirs.shape == labels.shape and bool(((theirs >= 0) & (theirs < len(columns))).all())
    if not sound:
        raise UserError(f"{soft.where} holds other labels than one class number for each of {len(labels)} images")
    other = (columns[theirs.long()] != labels).nonzero().flatten().tolist()
    if other:
        raise UserError(
            f"{soft.where} says that image {other[0]} is of class {int(columns[theirs[other[0]]])}, where it lies in "
            f"class {int(labels[other[0]])}: write its rows in the order of the images"
        )


def numbered(names: tuple[str, ...], matched: Matched) -> tuple[int, ...]:
    """Return the class of each column: those of the set's numbers where it has such, else the data set's order."""
    numbers = [number_of(name) for name in names]
    if sorted(number for number in numbers if number is not None) != list(range(len(names))):
        return tuple(range(len(names)))
    return tuple(label for _, label in sorted(zip(numbers, matched.labels, strict=True)))


def _soft(logits: Tensor, temperature: float) -> Tensor:
    return torch.softmax(logits / temperature, dim=1)
