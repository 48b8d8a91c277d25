"""MLflow."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ddbench_trackers.trial import Trial

_AT_ONCE = 1000  # metrics that a server takes in one request


@dataclass(frozen=True)
class MLflow:
    """One run a trial, with its cell as the tag ``cell``.

    Runs go where the library writes: to a file in the working folder, unless ``MLFLOW_TRACKING_URI`` says otherwise.

    Attributes:
        experiment: in which runs appear.
    """

    experiment: str = "ddbench"

    def send(self, trial: Trial) -> None:
        """Log coordinates as parameters, curves and final numbers as metrics."""
        from mlflow import MlflowClient
        from mlflow.entities import Param, RunTag

        client = MlflowClient()
        experiment = self._experiment(client)
        if client.search_runs([experiment], f"tags.identifier = '{trial.identifier}'"):
            return
        run = client.create_run(experiment, run_name=trial.name).info.run_id
        metrics = list(_metrics(trial))
        for start in range(0, len(metrics), _AT_ONCE):
            client.log_batch(run, metrics=metrics[start : start + _AT_ONCE])
        tags = {
            "identifier": trial.identifier,
            "cell": trial.group,
            "tags": ", ".join(trial.tags),
            "error": trial.error,
        }
        client.log_batch(
            run,
            params=[Param(name, str(value)) for name, value in trial.config.items()],
            tags=[RunTag(name, value) for name, value in tags.items() if value],
        )
        client.set_terminated(run, "FAILED" if trial.error else "FINISHED")

    def _experiment(self, client: Any) -> str:
        found = client.get_experiment_by_name(self.experiment)
        return str(client.create_experiment(self.experiment) if found is None else found.experiment_id)


def _metrics(trial: Trial) -> Iterator[Any]:
    from mlflow.entities import Metric

    now = int(1000 * time.time())
    for name, curve in trial.curves.items():
        yield from (Metric(f"curve/{name}", value, now, epoch) for epoch, value in curve)
    yield from (Metric(name, value, now, 0) for name, value in trial.numbers.items())
