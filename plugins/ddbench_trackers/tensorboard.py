"""TensorBoard: a folder of event files."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ddbench_trackers.trial import file_name

if TYPE_CHECKING:
    from ddbench_trackers.trial import Trial


@dataclass(frozen=True)
class TensorBoard:
    """One folder a cell, one run in it a trial: curves, final numbers, and coordinates as hyper-parameters.

    Attributes:
        folder: for ``tensorboard --logdir``.
    """

    folder: str = "runs"

    def send(self, trial: Trial) -> None:
        """Write the event file aside, then move it into place."""
        from torch.utils.tensorboard import SummaryWriter

        place = Path(self.folder, file_name(trial.group), f"{file_name(trial.name)}-{trial.identifier}")
        if place.exists():
            return
        draft = place.with_name(f".{place.name}")
        shutil.rmtree(draft, ignore_errors=True)
        with SummaryWriter(str(draft)) as writer:
            for name, curve in trial.curves.items():
                for epoch, value in curve:
                    writer.add_scalar(f"curve/{name}", value, epoch)
            final = {f"final/{name}": value for name, value in trial.numbers.items()}
            writer.add_hparams(dict(trial.config), final, run_name=".")
            writer.add_text("tags", ", ".join(trial.tags))
            if trial.error:
                writer.add_text("error", trial.error)
        draft.rename(place)
