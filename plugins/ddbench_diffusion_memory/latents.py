"""The training images as a diffusion model sees them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from filelock import FileLock

from ddbench.errors import UserError
from ddbench.kit import reading
from ddbench_diffusion_memory import sealed
from ddbench_diffusion_memory.autoencoder import AT_ONCE, Autoencoder

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.kit.diffusion import Codec
    from ddbench.kit.reading import Streamed
    from ddbench.types import PrepareTask, PretrainTask

    Task = PrepareTask | PretrainTask

FORM = "posteriors-1"  # of the stored files; to be changed with their content
ENCODED_AT_ONCE = 32


class Latents(Protocol):
    """Hands out clean latents z_0."""

    def batch(self, indices: Tensor, mirrored: Tensor, generator: torch.Generator) -> Tensor:
        """Return the latents of some images, float32 (B, c, s, s) on the stage's device.

        Args:
            indices: which images, int64 (B,) on the CPU.
            mirrored: which of them left and right change sides in, bool (B,) on the CPU; all False where the latents
                were asked for without mirrored ones.
            generator: for the draw from posteriors, on the CPU.
        """
        ...


def of(codec: Codec, task: Task, *, mirrored: bool) -> Latents:
    """Return the latents of a task's training images.

    What an autoencoder makes of them is computed once and kept in the task's cache, for every later training on the
    same images; of any other codec nothing is kept.

    Args:
        codec: the generator's, on the stage's device.
        task: whose images, device, progress and cache.
        mirrored: whether mirrored images will be asked for.
    """
    device = task.compute.device
    if not isinstance(codec, Autoencoder):
        return _Fresh(codec, reading.images(task.train, task.data, device))
    posteriors = _posteriors(codec, task, mirrored=mirrored)
    room = reading.RESIDENT_BYTES.get(device.type, 0)
    return _Kept(codec, posteriors.to(device) if posteriors.nbytes <= room else posteriors, device)


@dataclass(frozen=True)
class _Fresh:
    """Images are encoded each time that they are asked for."""

    codec: Codec
    images: Tensor | Streamed

    @torch.no_grad()
    def batch(self, indices: Tensor, mirrored: Tensor, generator: torch.Generator) -> Tensor:
        """Return latents."""
        images = signed(self.images[indices])
        sides = mirrored.to(images.device).view(-1, 1, 1, 1)
        return self.codec.draw(self.codec.encode(torch.where(sides, images.flip(-1), images)), generator)


@dataclass(frozen=True)
class _Kept:
    """Posteriors of all images, (N, 1 or 2 sides, p, s, s): as they are, and mirrored."""

    codec: Codec
    posteriors: Tensor
    device: torch.device

    @torch.no_grad()
    def batch(self, indices: Tensor, mirrored: Tensor, generator: torch.Generator) -> Tensor:
        """Return latents."""
        here = self.posteriors.device
        return self.codec.draw(self.posteriors[indices.to(here), mirrored.long().to(here)].to(self.device), generator)


def signed(images: Tensor) -> Tensor:
    """Turn uint8 images into float32 ones in [-1, 1]."""
    return images.float().div_(127.5).sub_(1)


def _posteriors(codec: Autoencoder, task: Task, *, mirrored: bool) -> Tensor:
    """Return posteriors, on the CPU, from the cache or computed and put there."""
    facts = (FORM, codec.digest(), task.data.fingerprint, task.data.image_size, mirrored)
    path = task.cache / "latents" / f"{hashlib.sha256(repr(facts).encode()).hexdigest()}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # another stage may want the same: it waits, and reads
        found = sealed.read(path)
        if found is not None:
            return found[0]["posteriors"]
        posteriors = _encode(codec, task, mirrored=mirrored)
        sealed.write(path, {"posteriors": posteriors}, {})
    return posteriors


def _encode(codec: Autoencoder, task: Task, *, mirrored: bool) -> Tensor:
    """Return posteriors, on the CPU.

    Raises:
        UserError: the GPU's memory is too small.
    """
    try:
        return _encoded(codec, task, mirrored=mirrored)
    except torch.cuda.OutOfMemoryError as error:
        raise UserError(
            f"the GPU's memory is too small to encode {AT_ONCE} images of {task.data.image_size} pixels at once: "
            "free some of it, or take another device"
        ) from error


@torch.no_grad()
def _encoded(codec: Autoencoder, task: Task, *, mirrored: bool) -> Tensor:
    count = len(task.train.labels)
    images = reading.images(task.train, task.data, task.compute.device)
    parts = torch.split(torch.arange(count), ENCODED_AT_ONCE)
    done: list[Tensor] = []
    for part in reading.ahead(images, parts):
        straight = signed(part)
        sides = (straight, straight.flip(-1)) if mirrored else (straight,)
        done.append(torch.stack([codec.encode(side).cpu() for side in sides], dim=1))
        task.compute.progress(sum(map(len, done)), count)
    return torch.cat(done)
