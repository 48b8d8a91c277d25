"""Sets whose images are one tensor: bytes, fractions or normalised floats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ddbench.errors import UserError
from ddbench_imported import pictures, saved
from ddbench_imported.source import AT_ONCE, Soft

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from ddbench_imported.pictures import Form, Frame
    from ddbench_imported.source import Labels, Layout

_SURELY_BYTES = 16.0  # no normalised image reaches it, and no image in bytes stays below


@dataclass(frozen=True, eq=False)
class Stacked:
    """A set of images in one tensor (:class:`ddbench_imported.source.Source`).

    Attributes:
        files: one, or MTT's two.
        images: (N, C, H, W), on disk until they are asked for.
        names: the numbers of the classes.
        labels: index into ``names``.
        given: soft labels.
    """

    files: tuple[Path, ...]
    images: Tensor
    names: tuple[str, ...]
    labels: Labels
    given: Soft | None
    layout: Layout = "tensors"

    def soft(self) -> Soft | None:
        """Return the soft labels of the file."""
        return self.given

    def ranked(self, ranks: Sequence[int]) -> Stacked:  # noqa: ARG002 - rows have an order of their own
        """Return the set as it is."""
        return self

    def pixels(self, frame: Frame) -> str:
        """Say in which form the pixels are taken to be, and how many of them no image can show."""
        where, (channels, height, width) = str(self.files[0]), self.images.shape[1:]
        kind = {1: "grey", 3: "in colour"}.get(channels, f"of {channels} channels")
        if channels not in {1, 3}:
            raise UserError(f"{where} holds images of shape {tuple(self.images.shape)}: expected (N, channels, H, W)")
        pictures.require_kind(kind, channels == frame.channels, frame, where)
        pictures.require_size(width, height, frame, where)
        form = self._form(frame)
        outside = self._outside(form, frame)
        clipped = f", {100 * outside:.1f} % of them clipped" if outside else ""
        assumed = " (assumed)" if frame.form is None and self.images.is_floating_point() else ""
        return f"{form}{assumed}{clipped}"

    def blocks(self, frame: Frame) -> Iterator[Tensor]:
        """Turn the tensor into uint8, a part at a time."""
        form = self._form(frame)
        for part in self._parts():
            pixels = _levels(part, form, frame).round().clamp_(0, 255).to(torch.uint8)
            if tuple(pixels.shape[1:]) != (frame.channels, frame.size, frame.size):
                pixels = torch.from_numpy(np.stack([pictures.reshaped(each, frame) for each in pixels.numpy()]))
            yield pixels

    def _parts(self) -> tuple[Tensor, ...]:
        """Return the images, some at a time, without reading them."""
        return torch.split(self.images, AT_ONCE)

    def _form(self, frame: Frame) -> Form:
        """Return the form of the pixels: what the user says, else what their range says."""
        if self.images.dtype == torch.uint8:
            return "uint8"
        parts = self._parts()
        least, greatest = min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)
        if not all(bool(part.isfinite().all()) for part in parts):
            raise UserError(f"{self.files[0]} holds pixels that are not finite: make the images anew")
        if frame.form is None:
            return self._assumed(least, greatest)
        self._require(frame.form, least, greatest)
        return frame.form

    def _assumed(self, least: float, greatest: float) -> Form:
        if least < 0:
            return "normalised"
        if greatest <= 1:
            return "unit"
        if _SURELY_BYTES < greatest <= 255:
            return "uint8"
        raise UserError(
            f"{self.files[0]} holds pixels from {least:.3g} to {greatest:.3g}, which may be anything: "
            "say what by pixels=uint8, unit or normalised"
        )

    def _require(self, form: Form, least: float, greatest: float) -> None:
        top = {"uint8": 255.0, "unit": 1.0}.get(form)
        if top is not None and (least < 0 or greatest > top):
            raise UserError(
                f"{self.files[0]} holds pixels from {least:.3g} to {greatest:.3g}, which pixels={form} cannot be: "
                "take another form, or auto"
            )

    def _outside(self, form: Form, frame: Frame) -> float:
        """Return the share of pixels below black or above white by more than rounding."""
        if form != "normalised":
            return 0.0
        levels = (_levels(part, form, frame) for part in self._parts())
        return sum(int(((part < -0.5) | (part > 255.5)).sum()) for part in levels) / self.images.numel()


def _levels(part: Tensor, form: Form, frame: Frame) -> Tensor:
    """Return pixels as float32 on the scale of 0 to 255."""
    part = part.float()
    if form == "normalised":
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (frame.mean, frame.std))
        part = part * std + mean
    return part if form == "uint8" else part * 255


def open_tensors(paths: tuple[Path, ...], experiment: int | None) -> Stacked:
    """Read a set from a file, or from MTT's two. Images keep the file's order.

    Raises:
        UserError: as :func:`ddbench_imported.saved.read`.
    """
    parts = saved.read(paths, experiment)
    numbers, labels = np.unique(parts.labels.numpy(), return_inverse=True)
    soft = None if parts.soft is None else Soft(parts.soft, str(paths[-1]))
    return Stacked(paths, parts.images, tuple(map(str, numbers)), labels.astype(np.int64), soft)
