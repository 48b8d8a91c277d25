from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ddbench import results
from ddbench.errors import UserError
from ddbench.rerun import replan
from ddbench.spec import Spec
from ddbench.types import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ddbench.plan import Plan

PLACED = '''
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from ddbench import UserError, hookimpl
from ddbench.testing.toys import ToyDataset, ToyDrawn


@hookimpl
def ddbench_datasets():
    return {"placed-data": PlacedData}


@hookimpl
def ddbench_synthesizers():
    return {"placed": Placed}


@hookimpl
def ddbench_generators():
    return {"placed-generator": PlacedGenerator}


def content(path):
    if not Path(path).exists():
        raise UserError(f"no file {path}: correct path=")
    return Path(path).read_text()


@dataclass(frozen=True)
class PlacedData:
    """Data at a path, which is no name of it."""

    version: ClassVar[int] = 1

    path: str
    size: int = 8

    def spec(self, place):
        found = replace(ToyDataset().spec(place), name="stripes", recipe="stripes")
        return replace(found, fingerprint=content(self.path), image_size=self.size)


@dataclass(frozen=True)
class Placed:
    """Reads a file, which counts by its content."""

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = False

    path: str
    noise: float = 1.0

    def identity(self):
        return {"sha256": content(self.path), "noise": self.noise}


@dataclass(frozen=True)
class PlacedGenerator:
    """Reads a file, which counts by its content."""

    version: ClassVar[int] = 1

    path: str

    def identity(self):
        return {"sha256": content(self.path)}
'''


@pytest.fixture
def written(planned: Callable[..., Plan]) -> Callable[..., dict[str, Any]]:
    """Return a function that plans one trial and writes it down as if it had been done."""

    def write(**lists: Any) -> dict[str, Any]:
        plan = planned(**lists)
        [trial] = plan.trials
        document = results.document(plan, trial, {}, {"status": "failed", "error": ""})
        return dict(json.loads(json.dumps(document)))

    return write


@pytest.fixture
def again(tmp_path: Path) -> Callable[..., Plan]:
    """Return a function that plans a document's trial again."""

    def again(found: Mapping[str, Any], **given: str) -> Plan:
        place = Place(tmp_path / "data", tmp_path / "cache")
        return replan.plan_again(found, place, {name: Spec.parse(spec) for name, spec in given.items()})

    return again


@pytest.mark.parametrize(
    "lists",
    [
        {},
        {"synth": "toy-synth[noise=1.5]", "eval": "toy-net[width=4]", "seeds": 3, "synth_seeds": 2, "ipc": 1},
        {"teacher": "toy-teacher[architecture=toy-net[width=2],seed=5]"},
        {"synth": "toy-joint", "labels": "live", "evaluator": "toy-exam[steps=3]", "precision": "bfloat16"},
        {"synth": "toy-drawn"},
        {"synth": "random", "labels": "hard", "evaluator": "standard[epochs=2]", "eval": "timm/resnet18"},
        {"synth": "full"},
    ],
    ids=lambda lists: ",".join(map(str, lists.values())),
)
def test_a_trial_plans_again_to_its_own_key_and_name(
    written: Callable[..., dict[str, Any]], again: Callable[..., Plan], lists: dict[str, Any]
) -> None:
    found = written(**lists)

    plan = again(found)

    assert [planned.evaluate for planned in plan.trials] == [found["key"]]
    assert results.trial_columns(plan.trials[0].trial) == found["trial"]


def test_training_images_that_were_held_out_are_held_out_again(
    written: Callable[..., dict[str, Any]], again: Callable[..., Plan]
) -> None:
    found = written(select="val", evaluator="standard[epochs=2]")

    assert again(found).benchmark.select == "val"


@pytest.fixture
def file(install: Callable[..., Path], tmp_path: Path) -> Path:
    """Install components that read a file; returns it."""
    install("placed", "placed_plugin", PLACED)
    (tmp_path / "file").write_text("what counts")
    return tmp_path / "file"


def test_a_path_that_the_file_does_not_hold_is_asked_for_and_the_rest_is_as_recorded(
    written: Callable[..., dict[str, Any]], again: Callable[..., Plan], file: Path
) -> None:
    found = written(synth=f"placed[path={file},noise=2.0]")
    moved = file.rename(file.with_name("moved"))

    with pytest.raises(UserError) as caught:
        again(found)
    assert str(caught.value) == (
        "the file does not hold the path that synthesizer 'placed' read from: add --synth 'placed[path=...]'"
    )
    assert again(found, synth=f"placed[path={moved}]").trials[0].evaluate == found["key"]
    moved.write_text("something else")
    with pytest.raises(UserError, match=r"synthesizer\.sha256 what counts -> something el"):
        again(found, synth=f"placed[path={moved}]")


def test_a_path_outside_the_working_folder_is_told_by_its_last_part(
    written: Callable[..., dict[str, Any]], file: Path
) -> None:
    found = written(synth=f"placed[path={file},noise=2.0]")
    within = written(synth=f"toy-drawn[generator=placed-generator[path={file}]]")

    assert found["trial"]["synthesizer"] == "placed[noise=2.0,path=file]"
    assert within["trial"]["synthesizer"] == "toy-drawn[generator=placed-generator[path=file]]"
    assert str(file.parent) not in json.dumps([found["trial"], within["trial"]])


def test_a_path_within_is_asked_for_where_it_belongs(
    written: Callable[..., dict[str, Any]], again: Callable[..., Plan], file: Path
) -> None:
    synth = f"toy-drawn[generator=placed-generator[path={file}],gain=2.0]"
    found = written(synth=synth)

    with pytest.raises(UserError, match=r"add --synth 'toy-drawn\[generator=placed-generator\[path=\.\.\.\]\]'"):
        again(found)
    given = f"toy-drawn[generator=placed-generator[path={file}]]"
    assert again(found, synth=given).trials[0].evaluate == found["key"]


def test_a_data_set_whose_name_is_no_component_is_asked_for(
    written: Callable[..., dict[str, Any]], again: Callable[..., Plan], file: Path
) -> None:
    found = written(dataset=f"placed-data[path={file}]")
    assert found["trial"]["dataset"] == "stripes"

    with pytest.raises(UserError, match="calls its data set 'stripes', and no data set of that name is installed"):
        again(found)
    assert again(found, dataset=f"placed-data[path={file}]").trials[0].evaluate == found["key"]
    file.write_text("edited")
    with pytest.raises(UserError, match=r"the key is another one here: data\.fingerprint what counts -> edited; "):
        again(found, dataset=f"placed-data[path={file}]")


def test_what_the_file_tells_with_its_path_is_looked_for_there_and_asked_for_where_it_has_moved(
    written: Callable[..., dict[str, Any]], again: Callable[..., Plan], file: Path
) -> None:
    found = written(dataset=f"placed-data[path={file},size=16]", synth=f"placed[path={file}]")
    data = {"spec": "placed-data[path=file,size=16]", "version": 1, "distribution": "placed 1.0"}
    synth = {"spec": "placed[noise=1.0,path=file]", "version": 1, "distribution": "placed 1.0"}
    found["made"] = {"evaluate": {"components": {"dataset": data, "synthesizer": synth}}}

    assert again(found).trials[0].evaluate == found["key"]  # the working folder is where it was
    moved = file.rename(file.with_name("moved"))
    with pytest.raises(UserError) as caught:
        again(found, synth=f"placed[path={moved}]")
    assert str(caught.value) == (
        "no file file: correct path= (of what has moved, say where it is: --dataset 'placed-data[path=...]')"
    )
    given = {"dataset": f"placed-data[path={moved}]", "synth": f"placed[path={moved}]"}
    assert again(found, **given).trials[0].evaluate == found["key"]


def test_a_parameter_that_its_key_holds_in_another_form_is_read_from_the_file_s_specs(
    written: Callable[..., dict[str, Any]], again: Callable[..., Plan]
) -> None:
    found = written(evaluator="standard[epochs=2,corruptions=jpeg]")
    exam = {"spec": "standard[corruptions=jpeg]", "version": 1, "distribution": "ddbench 0.1.0"}
    found["made"] = {"evaluate": {"components": {"evaluator": exam}}}

    assert again(found).trials[0].evaluate == found["key"]


def test_what_differs_is_told_once_the_first_cause_first(
    written: Callable[..., dict[str, Any]], again: Callable[..., Plan]
) -> None:
    found = written()
    for stage in found["stages"].values():
        stage["facts"]["data"]["fingerprint"] = "0" * 64
    found["stages"]["squeeze"]["facts"]["teacher"]["steps"] = 99
    found["key"] = "0" * 64

    with pytest.raises(UserError) as caught:
        again(found)

    assert str(caught.value).count("fingerprint") == 1
    assert "data.fingerprint 000000000000... -> " in str(caught.value)
    assert "\n" not in str(caught.value)
