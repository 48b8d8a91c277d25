"""Options that are parameters of executors."""

from __future__ import annotations

import sys

import pytest

from ddbench.cli import main
from ddbench.cli.executor_options import ExecutorCommand, with_options
from ddbench.spec import Spec


def chosen(executor: str, *arguments: str, gpus: float | None = None) -> str:
    """Return the executor's spec that a command line comes to."""
    command = ExecutorCommand(name="run", callback=lambda: str(with_options(Spec.parse(executor), gpus)))
    return str(command.main(list(arguments), standalone_mode=False))


def test_options_of_slurm_are_its_parameters_and_what_it_does_not_know_is_sbatchs() -> None:
    written = chosen(
        "slurm[qos=low]", "--slurm-partition", "gpu", "--slurm-time=1:30:00", "--slurm-nice", "10", "--slurm-mem", "8"
    )
    assert Spec.parse(written).mapping() == {
        "qos": "low", "partition": "gpu", "time": "1:30:00", "mem": 8, "sbatch": ("nice=10",)
    }  # fmt: skip


def test_gpus_per_stage_is_a_parameter_of_ray_and_slurm() -> None:
    assert chosen("ray[address=auto]", gpus=0.25) == "ray[address=auto,gpus_per_stage=0.25]"
    assert chosen("slurm", gpus=1.0) == "slurm[gpus_per_stage=1]"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--slurm-partition", "gpu"], "--slurm-partition is an option of --executor slurm, not of 'processes'"),
        (["--gpus-per-stage", "1"], "--gpus-per-stage is an option of --executor ray and slurm, not of 'processes'"),
        (["--executor", "slurm", "--slurm-partition"], "Option '--slurm-partition' requires an argument"),
        (["--executor", "slurm", "--slurm-exclusive", "--json"], "Option '--slurm-exclusive' requires an argument"),
        (["--slrm-partition", "gpu"], "No such option"),
        (["--executor", "ray[gpus=1]"], "executor 'ray[gpus=1]': unknown parameter 'gpus'"),
    ],
)
def test_options_that_an_executor_does_not_have_are_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["ddbench", "run", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.startswith(f"Error: {line}")
    assert len(said.splitlines()) == 1
