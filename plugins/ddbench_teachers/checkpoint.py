"""Teachers from a file of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ddbench.kit import device
from ddbench_teachers import weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from ddbench.types import CheckTask, SqueezeTask


@dataclass(frozen=True)
class Checkpoint:
    """Load a teacher from a .pt, .pth or .safetensors file.

    The way to reuse the papers' own teachers (links in the README files of SRe2L, DWA and RDED). Takes a state
    dictionary, bare or under ``state_dict``, ``model``, ``model_state_dict`` or ``net``, with or without a
    ``module.`` prefix. Files are read without running code (``weights_only``). The order of classes is taken as it
    is: the harness scores the teacher on the test split, and a wrong order shows there.

    Attributes:
        path: the file. Its content, not its path, enters the key.
        architecture: whose weights these are.
    """

    version: ClassVar[int] = 1

    path: str
    architecture: str = "resnet18"

    def identity(self) -> Mapping[str, object]:
        """Return the digest of the file in place of its path."""
        return {"architecture": self.architecture, "sha256": weights.digest(self.path)}

    def check(self, task: CheckTask) -> None:
        """Refuse a file that cannot be read, or whose names or shapes are not those of the architecture."""
        state = weights.read(self.path)
        if task.build is not None:
            weights.match(state, task.build(), f"checkpoint '{self.path}'", self.architecture)

    def squeeze(self, task: SqueezeTask) -> nn.Module:
        """Return the architecture with the weights of the file."""
        model, state = task.build(), weights.read(self.path)
        weights.match(state, model, f"checkpoint '{self.path}'", self.architecture)
        model.load_state_dict(state, strict=False)  # what match lets pass as missing: counters nothing reads
        task.compute.progress(1, 1)
        return device.place(model, task.compute.device).eval()
