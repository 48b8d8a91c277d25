"""Every benchmark file parses, names what exists, comes to a plan, and has published numbers that belong to cells."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from ddbench import benchmark as grids
from ddbench.cli.run import to_toml
from ddbench.errors import UserError
from ddbench.plan import Plan, plan, written_out
from ddbench.registry import registry
from ddbench.results import trial_columns
from ddbench.spec import Spec
from ddbench.types import DatasetSpec, Place

FILES = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.toml"))
TABLES = [file for file in FILES if file.stem.startswith(("dwa-table", "minimax-"))]
DOWNLOADED = ("cifar-10-batches-py", "cifar-100-python")
PRETENDED = {
    "tiny-imagenet": (200, 64, 500),
    "imagenet1k": (1000, 224, 1200),
    "parquet": (10, 32, 5000),
    "imagenette": (10, 256, 1289),  # 12,894 images
    "imagewoof": (10, 256, 1245),  # 12,454 images
    "imageidc": (10, 256, 1300),
}
SUBSETS = ("imagenette", "imagewoof", "imageidc")


def described(component: Any, name: str) -> DatasetSpec:
    """Describe a data set that is not at hand, as far as a plan needs it."""
    classes, size, count = PRETENDED[name]
    known, recipe = (tuple(range(classes)), "imagenet10") if name in SUBSETS else ((), name)
    name, recipe = getattr(component, "name", name), getattr(component, "recipe", recipe)
    return DatasetSpec(
        name=name, recipe=recipe, imagenet_classes=known, num_classes=classes, image_size=size, channels=3,
        mean=(0.5,) * 3, std=(0.2,) * 3, sizes={"train": classes * count, "test": classes * 50},
        class_counts=(count,) * classes, fingerprint=repr(component), class_names=tuple(map(str, range(classes))),
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Pretend that data sets and published weights are there: a plan asks what they are, no more."""
    for folder in DOWNLOADED:
        (tmp_path / folder).mkdir()
    for name in PRETENDED:

        def spec(self: Any, place: Place, name: str = name) -> DatasetSpec:
            return described(self, name)

        monkeypatch.setattr(registry().entry("dataset", name).load(), "spec", spec)
    published = registry().entry("generator", "pretrained").load()
    monkeypatch.setattr(published, "check", lambda self, task: None)
    monkeypatch.setattr(published, "identity", lambda self: {"repo": self.repo})
    return Place(tmp_path, tmp_path / "cache")


def planned(file: Path, place: Place, **options: Any) -> Plan:
    return plan(grids.build(grids.load(file), grids.settings(options, "--{}")), registry(), place)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_benchmark_file_comes_to_a_plan_and_its_published_numbers_to_cells(file: Path, place: Place) -> None:
    whole = planned(file, place)
    assert len(whole.trials) == len(list(whole.benchmark.trials())), "two trials are one: a grid says a thing twice"
    cells = [trial_columns(trial.trial) for trial in whole.trials]
    homeless = [row for row in whole.benchmark.reported if not row.method and not any(map(row.matches, cells))]
    assert homeless == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_benchmark_file_runs_in_miniature_on_digits(file: Path, place: Place) -> None:
    small = planned(file, place, dataset="digits", ipc=1, seeds=0)
    assert {trial.data.name for trial in small.trials} == {"digits"}
    assert {trial.trial.evaluation_seed for trial in small.trials} == {0}
    assert small.stages


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_benchmark_file_written_out_again_is_the_same(file: Path, place: Place, tmp_path: Path) -> None:
    whole = planned(file, place, seeds=0, synth_seeds=0)
    for number, one in enumerate((whole.benchmark, written_out(whole.benchmark, registry(), place))):
        copy = tmp_path / f"{number}.toml"
        copy.write_text(to_toml(one), encoding="utf-8")
        assert grids.build(grids.load(copy)) == one
    assert list(planned(copy, place).stages) == list(whole.stages)


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.stem)
def test_a_table_has_published_numbers_each_once_with_its_source(file: Path) -> None:
    rows = grids.build(grids.load(file)).reported
    assert rows
    assert [row for row in rows if not re.search(r"Tables? \d|as listed by|README", row.source)] == []
    where = [dataclasses.replace(row, value=0, std=None, source="", unreliable="") for row in rows]
    assert len(set(where)) == len(where)


@pytest.mark.parametrize("file", [file for file in FILES if file.stem != "digits"], ids=lambda file: file.stem)
def test_a_benchmark_file_starts_with_what_it_is(file: Path) -> None:
    assert file.read_text().startswith("# ")
    if file.stem.startswith("dwa-"):
        number = re.sub(r"dwa-(table|figure)-(\d+)", lambda match: f"{match[1].title()} {match[2]}", file.stem)
        assert file.read_text().startswith(f"# {number} of DWA (Du et al., NeurIPS 2024, arXiv 2409.17612)")


def test_the_arms_of_an_ablation_differ_in_nothing_but_the_ablation(place: Place) -> None:
    table = planned(next(file for file in FILES if file.stem == "dwa-table-3"), place)
    settings = {}
    for trial in table.trials:
        facts = dict(table.stages[trial.shards[0]].facts["synthesizer"])
        settings[facts["name"], facts.get("perturbation")] = facts
    ours = {"name", "version", "perturbation", "rho", "sigma", "steps", "gradient", "accumulate"}
    rest = [{name: value for name, value in facts.items() if name not in ours} for facts in settings.values()]
    assert len(rest) == 3
    assert rest[0] == rest[1] == rest[2]


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
    assert sorted(listed) == sorted(set(keys) - {"grid", "reported"})


def test_the_guide_lists_every_file() -> None:
    listed = re.findall(r"^\| `([\w-]+\.toml)` \|", GUIDE.read_text(), re.MULTILINE)
    assert sorted(listed) == [file.name for file in FILES]


def test_the_guides_grids_and_published_numbers_read(tmp_path: Path) -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    read = []
    for block in blocks:
        (tmp_path / "mine.toml").write_text(block)
        read.append(grids.build(grids.load(tmp_path / "mine.toml")))
    assert [(len(one.grid), len(one.reported)) for one in read] == [(2, 0), (0, 3)]
    assert [trial.cell.teacher for trial in read[0].trials()][::3] == [Spec("convnet"), *[Spec("resnet18")] * 2]
    assert [(str(row.synth), str(row.eval), row.ipc) for row in read[1].reported[:1]] == [("dwa", "resnet18", 50)]
