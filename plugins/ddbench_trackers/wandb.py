"""Weights & Biases."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ddbench_trackers.trial import Trial

_LONGEST_TAG, _LONGEST_NAME = 64, 128  # what its server takes


@dataclass(frozen=True)
class WandB:
    """One run a trial, grouped by cell.

    Runs stay on this machine, in the folder, until ``wandb sync`` sends them, unless ``WANDB_MODE`` is ``online``. The
    key of an account is the library's business: ``wandb login``, or ``WANDB_API_KEY``.

    Attributes:
        project: in which runs appear.
        folder: which gets a folder ``wandb``.
    """

    project: str = "ddbench"
    folder: str = "."

    def send(self, trial: Trial) -> None:
        """Log curves epoch by epoch; final numbers are the summary."""
        import wandb

        if any(Path(self.folder, "wandb").glob(f"*run-*-{trial.identifier}")):
            return
        run = wandb.init(
            project=self.project,
            group=trial.group[:_LONGEST_NAME],
            name=trial.name[:_LONGEST_NAME],
            id=trial.identifier,
            config=dict(trial.config),
            tags=[tag[:_LONGEST_TAG] for tag in trial.tags],
            notes=trial.error or None,
            dir=self.folder,
            mode=os.environ.get("WANDB_MODE", "offline"),
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )
        epochs = sorted({epoch for curve in trial.curves.values() for epoch, _ in curve})
        curves = {name: dict(curve) for name, curve in trial.curves.items()}
        for epoch in epochs:
            run.log({f"curve/{name}": curve[epoch] for name, curve in curves.items() if epoch in curve}, step=epoch)
        run.summary.update(dict(trial.numbers))
        run.finish(exit_code=1 if trial.error else 0)
