"""Every benchmark file parses, names what exists, and comes to a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddbench import benchmark as grids
from ddbench.errors import UserError
from ddbench.plan import plan
from ddbench.registry import registry
from ddbench.types import Place

FILES = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.toml"))
TO_DOWNLOAD = {"cifar10", "cifar100"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_benchmark_file_comes_to_a_plan(file: Path, tmp_path: Path) -> None:
    chosen = grids.build(grids.load(file))
    for name in TO_DOWNLOAD:  # a plan asks whether the folder is there, no more
        for folder in ("cifar-10-batches-py", "cifar-100-python"):
            (tmp_path / folder).mkdir(exist_ok=True)
    planned = plan(chosen, registry(), Place(tmp_path, tmp_path / "cache"))
    assert len(planned.trials) == len(list(chosen.trials()))
    assert planned.stages


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_published_number_belongs_to_a_cell_and_names_its_source(file: Path) -> None:
    chosen = grids.build(grids.load(file))
    for row in chosen.reported:
        assert row.source
        assert 0 <= row.top1 <= 100
        assert (row.synth in chosen.synth, row.eval in chosen.eval, row.ipc in chosen.ipc) == (True, True, True)


def test_the_default_benchmark_is_written_down_as_it_is() -> None:
    written = grids.load(next(file for file in FILES if file.stem == "digits"))
    assert written.pop("teacher_floor") == 90
    assert written.pop("name") == "digits"
    assert grids.build(written) == grids.build()


def test_a_benchmark_file_with_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text('sinth = "dwa"')
    with pytest.raises(UserError, match="'sinth' is not known; did you mean 'synth'"):
        grids.load(tmp_path / "wrong.toml")
