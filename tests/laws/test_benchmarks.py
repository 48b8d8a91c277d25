"""Every benchmark file parses, names what exists, and comes to a plan."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from ddbench import benchmark as grids
from ddbench.errors import UserError
from ddbench.plan import plan
from ddbench.registry import registry
from ddbench.types import Place

FILES = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.toml"))
DOWNLOADED = ("cifar-10-batches-py", "cifar-100-python")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_benchmark_file_comes_to_a_plan(file: Path, tmp_path: Path) -> None:
    chosen = grids.build(grids.load(file))
    for folder in DOWNLOADED:  # a plan asks whether it is there, no more
        (tmp_path / folder).mkdir()
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


GUIDE = FILES[0].with_name("README.md")


def test_the_guide_lists_every_key() -> None:
    listed = re.findall(r"^\| `([\w-]+)` \| (?:one|several) \|", GUIDE.read_text(), re.MULTILINE)
    keys = [field.name.replace("_", "-") for field in dataclasses.fields(grids.Benchmark)]
    assert sorted(listed) == sorted(set(keys) - {"reported"})


def test_the_guide_lists_every_file() -> None:
    listed = re.findall(r"^\| `([\w-]+\.toml)` \|", GUIDE.read_text(), re.MULTILINE)
    assert sorted(listed) == [file.name for file in FILES]


def test_the_guides_published_number_reads(tmp_path: Path) -> None:
    block = re.findall(r"^```toml\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)[0]
    (tmp_path / "mine.toml").write_text(block)
    row = grids.load(tmp_path / "mine.toml")["reported"][0]
    assert (str(row.synth), str(row.eval), row.ipc) == ("dwa", "resnet18", 50)
