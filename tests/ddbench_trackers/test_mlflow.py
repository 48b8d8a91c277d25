"""MLflow: what its client is asked, and what it writes where it is installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ddbench.testing import story
from ddbench_trackers.mlflow import MLflow
from ddbench_trackers.trial import trial_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRIALS = [trial_of(document) for document in story.documents()]


class Metric(NamedTuple):
    key: str
    value: float
    timestamp: int
    step: int


class Pair(NamedTuple):
    """A parameter or a tag."""

    key: str
    value: str


class Client:
    """The client, as far as it is used; it keeps what it is told, whichever instance is."""

    experiments: dict[str, str]
    runs: dict[str, dict[str, Any]]

    def get_experiment_by_name(self, name: str) -> Any:
        found = self.experiments.get(name)
        return None if found is None else SimpleNamespace(experiment_id=found)

    def create_experiment(self, name: str) -> str:
        return self.experiments.setdefault(name, f"experiment {len(self.experiments)}")

    def search_runs(self, experiment_ids: list[str], filter_string: str) -> list[str]:
        assert experiment_ids == list(self.experiments.values())
        name, _, value = filter_string.removeprefix("tags.").partition(" = ")
        return [run for run, kept in self.runs.items() if kept["tags"].get(name) == value.strip("'")]

    def create_run(self, experiment_id: str, run_name: str) -> Any:
        self.runs[run_name] = {"metrics": [], "params": {}, "tags": {}, "experiment": experiment_id}
        return SimpleNamespace(info=SimpleNamespace(run_id=run_name))

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
        run = self.runs[run_id]
        run["metrics"] += metrics
        run["params"] |= dict(params)
        run["tags"] |= dict(tags)

    def set_terminated(self, run_id: str, status: str) -> None:
        self.runs[run_id]["status"] = status


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Stand in for the library; returns the runs by name."""
    library: Any = ModuleType("mlflow")
    entities: Any = ModuleType("mlflow.entities")
    entities.Metric, entities.Param, entities.RunTag = Metric, Pair, Pair
    library.MlflowClient, library.entities = Client, entities
    Client.experiments, Client.runs = {}, {}
    monkeypatch.setitem(sys.modules, "mlflow", library)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    return Client.runs


def test_a_trial_is_one_run_with_parameters_metrics_and_its_cell(runs: dict[str, dict[str, Any]]) -> None:
    trial = TRIALS[0]

    MLflow(experiment="mine").send(trial)

    run = runs[trial.name]
    assert Client.experiments == {"mine": run["experiment"]}
    assert run["params"] == {name: str(value) for name, value in trial.config.items()}
    final = {metric.key: metric.value for metric in run["metrics"] if "/" not in metric.key}
    assert final == trial.numbers
    curve = [(metric.step, metric.value) for metric in run["metrics"] if metric.key == "curve/top1"]
    assert curve == trial.curves["top1"]
    assert run["tags"] == {"identifier": trial.identifier, "cell": trial.group, "tags": ", ".join(trial.tags)}
    assert run["status"] == "FINISHED"


def test_a_failed_trial_is_a_failed_run(runs: dict[str, dict[str, Any]]) -> None:
    MLflow().send(TRIALS[-1])

    (run,) = runs.values()
    assert (run["status"], run["tags"]["error"]) == ("FAILED", story.FAILURE)


def test_a_trial_that_was_sent_is_not_sent_again(runs: dict[str, dict[str, Any]]) -> None:
    MLflow().send(TRIALS[0])
    runs["before"] = runs.pop(TRIALS[0].name)

    MLflow().send(TRIALS[0])

    assert list(runs) == ["before"]


@pytest.mark.skipif(
    find_spec("mlflow") is None or find_spec("sqlalchemy") is None, reason="MLflow with its database is not installed"
)
@pytest.mark.filterwarnings("ignore")
def test_the_library_writes_a_run_for_each_trial_to_a_file(
    track: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'tracked.db'}")

    track("mlflow[experiment=mine]")
    track("mlflow[experiment=mine]")

    from mlflow import MlflowClient

    client = MlflowClient()
    runs = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert sorted(run.data.tags["identifier"] for run in runs) == sorted(trial.identifier for trial in TRIALS)
    assert [run.info.status for run in runs].count("FAILED") == 1
