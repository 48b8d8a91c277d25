"""Diffusion models from a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ddbench_diffusion_memory import extras, pipeline, saved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddbench.kit.diffusion import Diffusion
    from ddbench.types import CheckTask, DatasetSpec, LoadTask

REMEDY = "give a folder that the save_pretrained of diffusers' DiTPipeline wrote"


@dataclass(frozen=True)
class Folder:
    """Load a diffusion transformer from a folder that diffusers' DiTPipeline was saved in.

    For networks of one's own: fine-tuned, or trained elsewhere (Peebles and Xie, "Scalable Diffusion Models with
    Transformers", ICCV 2023). Weights are read as safetensors only. A network of 1000 classes is told the place of
    each class in ImageNet-1K where the data set knows it; any other is told the label.

    Attributes:
        path: the folder. Its content, not its path, enters the key.
    """

    version: ClassVar[int] = 1

    path: str

    def identity(self) -> Mapping[str, object]:
        """Return digests of what is in the folder in place of its path."""
        return self._saved().identity()

    def check(self, task: CheckTask) -> None:
        """Refuse what is incomplete, damaged, pickled, or of other images or classes."""
        extras.require("diffusers", "diffusion", "generator 'folder'")
        self._saved().check(task.data)

    def load(self, task: LoadTask) -> Diffusion:
        """Return the model with the weights of the folder."""
        return self._saved().load(task)

    def save(self, model: Diffusion, folder: Path, data: DatasetSpec) -> None:
        """Write a model in the form that diffusers and the generator ``folder`` read."""
        pipeline.save(model, folder, data.class_names)

    def _saved(self) -> saved.Saved:
        return saved.at(Path(self.path).expanduser(), f"generator folder '{self.path}'", REMEDY)
