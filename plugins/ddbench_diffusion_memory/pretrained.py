"""Diffusion models with published weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ddbench.errors import UserError
from ddbench_diffusion_memory import extras, part, pipeline, saved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddbench.kit.diffusion import Diffusion
    from ddbench.types import CheckTask, DatasetSpec, LoadTask


@dataclass(frozen=True)
class Pretrained:
    """Take a published diffusion transformer of ImageNet from the local cache of the Hugging Face hub, or a folder.

    Source: Peebles and Xie, "Scalable Diffusion Models with Transformers" (ICCV 2023): DiT-XL/2 at 256 pixels, from
    which Minimax Diffusion (Gu et al., CVPR 2024) and its successors start. The data set must be of ImageNet-1K's
    classes. Nothing is fetched: a run must not depend on what a server hands out that day. Weights are read without
    running code.

    Attributes:
        repo: of the pipeline: its name on the hub, or a folder that holds a copy of it, which comes first. The content
            of its files enters the key, wherever they lie.
        vae: repository of an AutoencoderKL, by name or folder, in place of the pipeline's own, which is used where this
            is empty. Minimax encodes with ``stabilityai/sd-vae-ft-ema`` and decodes with ``stabilityai/sd-vae-ft-mse``.
    """

    version: ClassVar[int] = 1

    repo: str = "facebook/DiT-XL-2-256"
    vae: str = ""

    def identity(self) -> Mapping[str, object]:
        """Return digests of the files in place of where they were published."""
        return self._saved().identity()

    def check(self, task: CheckTask) -> None:
        """Refuse data of other classes, images or sizes, and weights that are not on this machine."""
        extras.require("diffusers", "diffusion", "generator 'pretrained'")
        if not task.data.imagenet_classes:
            raise UserError(
                f"generator 'pretrained' knows the classes of ImageNet-1K, and {task.data.name} has others: "
                "take 'scratch', or a data set of ImageNet"
            )
        self._saved().check(task.data)

    def load(self, task: LoadTask) -> Diffusion:
        """Return the model with the published weights."""
        return self._saved().load(task)

    def save(self, model: Diffusion, folder: Path, data: DatasetSpec) -> None:
        """Write a model in the form that diffusers and the generator ``folder`` read."""
        pipeline.save(model, folder, data.class_names)

    def _saved(self) -> saved.Saved:
        autoencoder = None
        if self.vae:
            autoencoder = part.Part(_snapshot(self.vae, part.CONFIG), self.vae, _remedy(self.vae), pickles=True)
        folder = _snapshot(self.repo, saved.INDEX)
        return saved.at(folder, self.repo, _remedy(self.repo), pickles=True, autoencoder=autoencoder)


def _snapshot(repo: str, name: str) -> Path:
    """Return a folder as it is, and of a repository the one in the local cache, in which a file must be.

    Raises:
        UserError: with the command that fetches it, and where to.
    """
    if _is_folder(repo):
        return Path(repo).expanduser()
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(repo, name)
    except HFValidationError as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"generator 'pretrained': {repo} is no folder and no repository ({reason})") from None
    if not isinstance(found, str):
        raise UserError(f"generator 'pretrained': {repo} is not on this machine: {_remedy(repo)}")
    return Path(found).parent


def _remedy(repo: str) -> str:
    if _is_folder(repo):
        return "give a folder that holds a whole copy of a repository"
    from huggingface_hub.constants import HF_HUB_CACHE

    return f"run 'hf download {repo}' where there is a network, and bring what it writes into {HF_HUB_CACHE} here"


def _is_folder(repo: str) -> bool:
    return Path(repo).expanduser().is_dir()
