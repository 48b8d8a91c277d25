"""Images that somebody else has distilled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from ddbench.errors import UserError
from ddbench.kit import device, rng
from ddbench.kit.pixels import normalise
from ddbench.types import Batch, Effort, Passes
from ddbench_imported.classes import Matched, match, read_map
from ddbench_imported.layouts import locate, open_set
from ddbench_imported.permutation import suspects
from ddbench_imported.pictures import Form, Frame
from ddbench_imported.source import AT_ONCE, Layout, content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor

    from ddbench.types import CheckTask, DatasetSpec, EffortTask, SynthesisTask
    from ddbench_imported.source import Source

AUTO = "auto"
_NAMED = 2  # classes that a line names before it only counts the rest


@dataclass(frozen=True)
class Images:
    """Images that ddbench did not make, read from a folder or file: any method's distilled set, under any exam.

    Source: made up here; the layouts are those in which the papers' code leaves its images. A folder a class: that of
    SRe2L and DWA (``new003/class003_id007.jpg``), RDED (``00003/``), Minimax (a WNID) and torchvision's
    ``ImageFolder``. Tensors in ``.pt`` files: those of DC and DM (``{"data": [[images, labels], ...]}``), MTT
    (``images_best.pt`` and ``labels_best.pt``), a pair, or a dictionary of ``images`` and ``labels``; read without
    running code. Parquet with columns ``image`` and ``label``, as the Hugging Face Hub has it. WebDataset shards
    (``000000.png``, ``000000.cls``). Images of folders are read index by index, the first of every class in label
    order, then the second, and so on, names sorted with numbers by value; the other layouts keep their own order.

    All classes must have the same number of images, and all images the data set's size and channels. Nothing is
    guessed silently: what does not fit is refused in one line. The teacher looks at every image; where it takes one
    class for another in a way that chance does not explain (:mod:`ddbench_imported.permutation`), the stage fails and
    says which.

    Attributes:
        path: the folder or file. Its content, not its path, enters the key.
        name: what tables call the set; default: the name of the folder or file.
        layout: ``auto`` tells it from the files; ``sre2l``, ``numbered`` and ``folder`` have a folder a class.
        classes: ``auto`` matches what the set calls its classes by number and name, name, WNID or number; else a
            TOML or JSON file that maps each name in the set to a class, by name or number.
        pixels: of tensors: ``uint8`` (0 to 255), ``unit`` (0 to 1), ``normalised``, or ``auto``, by their range.
        mean: of normalised tensors, per channel; default: the data set's.
        std: of normalised tensors, per channel; default: the data set's.
        experiment: which of the experiments in DC's or DM's file, from 0; needed where there are several.
        resize: resize images of another size, bilinearly, the square in their centre.
        convert: turn grey into colour and colour into grey, drop transparency.
        verify: let the stage fail where the teacher finds classes in another order; ``false`` takes them as they are.
    """

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = False
    uses_teacher: ClassVar[bool] = True
    draws: ClassVar[bool] = False

    path: str
    name: str | None = None
    layout: Literal["auto"] | Layout = "auto"
    classes: str = "auto"
    pixels: Literal["auto"] | Form = "auto"
    mean: tuple[Annotated[float, Ge(0), Le(1)], ...] | None = None
    std: tuple[Annotated[float, Gt(0)], ...] | None = None
    experiment: Annotated[int, Ge(0)] | None = None
    resize: bool = False
    convert: bool = False
    verify: bool = True

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std come together")
        if self.name is not None and not (self.name.strip() and self.name.isprintable()):
            raise ValueError("name must be a printable text")

    def shown(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that tables show, of those that were written: names in place of paths."""
        root = Path(self.path).expanduser().resolve()
        own = root.stem if root.is_file() else root.name
        named = "".join(letter if letter.isprintable() else "?" for letter in own) or "images"
        by_map = {"classes": Path(self.classes).name} if "classes" in written else {}
        rest = {key: value for key, value in written.items() if key != "path"}
        return {**rest, **by_map, "name": self.name or named}

    def identity(self) -> dict[str, object]:
        """Return what decides the images: the files' content in place of their path, the map's in place of its own."""
        own, source = {name: value for name, value in vars(self).items() if name not in {"path", "name"}}, self.open()
        told = {"layout": source.layout, "classes": self._map() or AUTO}
        return {**own, **told, "content": content(source, locate(self.path))}

    def check(self, task: CheckTask) -> None:
        """Refuse a set that does not fit the data set, or has another number of images per class than asked."""
        ipc = self.survey(task.data)["ipc"]
        if ipc != task.ipc:
            raise UserError(f"{self.path} holds {ipc} images per class, not {task.ipc}: give --ipc {ipc}")

    def effort(self, task: EffortTask) -> Effort:
        """Return that the teacher sees every image once."""
        if not self.verify:
            return Effort()
        return Effort((Passes("teacher", task.images, "nothing", min(task.images, AT_ONCE)),))

    def survey(self, data: DatasetSpec) -> dict[str, Any]:
        """Say what is there, before anything is computed.

        ``ipc``, ``layout``, what ``classes`` and ``pixels`` are, and what ``soft_labels`` look like: ``probabilities``,
        ``logits``, or empty where there are none.

        Raises:
            UserError: files, classes, counts or images do not fit the data set, as far as that shows without decoding.
        """
        source, matched, labels = self.matched(data)
        soft = source.soft()
        return {
            "ipc": len(labels) // data.num_classes,
            "layout": source.layout,
            "classes": f"by {matched.by}",
            "pixels": source.pixels(self.frame(data)),
            "soft_labels": soft.values if soft else "",
        }

    def synthesize(self, task: SynthesisTask) -> Iterator[Batch]:
        """Yield the images in reading order, some at a time; then compare their classes with what the teacher sees."""
        source, _, labels = self.matched(task.data)
        ask, seen, done = _asking(task) if self.verify else None, [], 0
        for block in source.blocks(self.frame(task.data)):
            part = labels[done : done + len(block)]
            yield Batch(block, part)
            done += len(block)
            if ask is not None:
                seen.append(ask(block))
            agreed = {"agreement": 100 * float((torch.cat(seen) == labels[:done]).double().mean())} if seen else {}
            task.compute.progress(done, len(labels), **agreed)
        if seen:
            self._require_order(labels, torch.cat(seen), task)

    # ------------------------------------------------------------------------------------------ reading

    def open(self) -> Source:
        """List the set.

        Raises:
            UserError: it is not there, or in no layout.
        """
        return open_set(locate(self.path), None if self.layout == "auto" else self.layout, self.experiment)

    def frame(self, data: DatasetSpec) -> Frame:
        """Return what every image becomes.

        Raises:
            UserError: mean or deviation have not one value per channel.
        """
        if any(values is not None and len(values) != data.channels for values in (self.mean, self.std)):
            raise UserError(f"mean and std of {self.path} must have {data.channels} values, one per channel")
        form = None if self.pixels == "auto" else self.pixels
        mean, std = self.mean or data.mean, self.std or data.std
        return Frame(data.image_size, data.channels, self.resize, self.convert, form, mean, std)

    def matched(self, data: DatasetSpec) -> tuple[Source, Matched, Tensor]:
        """Return the set, how its classes match, and the data set's label of every image, int64 (N,), in reading order.

        Raises:
            UserError: classes do not match, or have different numbers of images.
        """
        listed = self.open()
        matched = self.match(listed.names, data)
        source = listed.ranked(matched.labels)
        labels = torch.tensor(matched.labels)[torch.from_numpy(source.labels)]
        counts = labels.bincount(minlength=data.num_classes)
        least, most = int(counts.argmin()), int(counts.argmax())
        if counts[least] != counts[most]:
            few, many = (f"{int(counts[label])} of class '{data.class_names[label]}'" for label in (least, most))
            raise UserError(f"{self.path} has {few} and {many}: all classes need the same number of images")
        return source, matched, labels

    def match(self, names: tuple[str, ...], data: DatasetSpec) -> Matched:
        """Match names of the set with classes of the data set.

        Raises:
            UserError: they do not match, one to one.
        """
        return match(names, data, self._map(), self.path)

    def _map(self) -> dict[str, Any] | None:
        return None if self.classes == AUTO else read_map(self.classes)

    def _require_order(self, labels: Tensor, seen: Tensor, task: SynthesisTask) -> None:
        """Raise a UserError where the teacher finds classes in another order."""
        data, random = task.data, np.random.default_rng(rng.derive(task.compute.seed, "order"))
        found = suspects(labels.numpy(), seen.numpy(), data.num_classes, random)
        if not found:
            return
        each, names = len(labels) // data.num_classes, data.class_names
        (label, other, there, _), *rest = found
        told = [f"images of '{names[label]}' look like '{names[other]}' to the teacher ({there} of {each})"]
        told += [f"of '{names[label]}' like '{names[other]}' ({there} of {each})" for label, other, there, _ in rest]
        more = [f"{len(found) - _NAMED} more classes likewise"] if len(found) > _NAMED else []
        looks = ", ".join(told[:_NAMED] + more)
        raise UserError(
            f"{self.path}: {looks}: are its classes in another order? say which is which by --classes (classes=), or "
            "keep them by --no-check (verify=false)"
        )


def _asking(task: SynthesisTask) -> Callable[[Tensor], Tensor]:
    """Return a function from uint8 images to the classes that the teacher sees, int64 on the CPU."""
    teacher = device.place(task.teacher(), task.compute.device)

    def ask(images: Tensor) -> Tensor:
        plain = normalise(device.place_images(images, task.compute.device), task.data)
        with torch.no_grad(), device.autocast(task.compute):
            return teacher(plain).argmax(1).cpu()  # type: ignore[no-any-return]  # a module may return anything

    return ask
