from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from ddbench import frames, provenance, results
from ddbench.errors import UserError
from ddbench.keys import digest, stage_key
from ddbench.listing import files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ddbench.plan import Plan

    Documents = Callable[..., list[dict[str, Any]]]

DONE = {"status": "done", "error": ""}


# ---------------------------------------------------------------------------------------------- files


def test_a_file_lies_where_its_trial_says_and_no_two_trials_share_one(
    planned: Callable[..., Plan], tmp_path: Path
) -> None:
    plan = planned(
        synth="toy-synth,toy-synth[noise=1],toy-joint", eval="toy-net,toy-net[width=4]", ipc="1,2", seeds="0-1",
        synth_seeds="0-1", labels="toy-labels,live", teacher="toy-teacher,toy-teacher[seed=1]",
        evaluator="toy-exam,toy-exam[steps=3]", dataset="toy,toy[size=9]",
    )  # fmt: skip
    paths = [results.path_of(tmp_path, trial.trial, trial.evaluate) for trial in plan.trials]
    keys = [trial.evaluate for trial in plan.trials]
    assert len(set(paths)) == len(set(keys)) == len(set(zip(paths, keys, strict=True))) > 500
    first = plan.trials[0]
    assert paths[0] == tmp_path / "toy" / "toy-synth" / "ipc1" / (
        f"toy-net-toy-labels-toy-exam-synth0-eval0-{first.evaluate[:8]}.json"
    )


@pytest.mark.parametrize("name", ["toy-synth[noise=1.5]", 'toy-synth[x="../../../up"]', 'toy-synth[x="a/b c:d*?"]'])
def test_no_parameter_leads_out_of_the_folder_or_into_a_name_that_systems_refuse(
    planned: Callable[..., Plan], tmp_path: Path, name: str
) -> None:
    from dataclasses import replace

    from ddbench.spec import Spec

    trial = planned().trials[0].trial
    path = results.path_of(tmp_path, replace(trial, cell=replace(trial.cell, synthesizer=Spec.parse(name))), "k" * 64)
    assert path.relative_to(tmp_path).parts[::2] == ("toy", "ipc2")
    assert ".." not in path.parts
    assert not set(str(path.relative_to(tmp_path))) & set(' :*?"[]\\')


def test_writing_the_same_again_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    results.write(path, {"schema": 1, "x": 1.5})
    before = path.stat()
    results.write(path, {"x": 1.5, "schema": 1})
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    results.write(path, {"schema": 1, "x": 2.5})
    assert path.stat().st_ino != before.st_ino
    assert json.loads(path.read_text()) == {"schema": 1, "x": 2.5}
    assert [file.name for file in path.parent.iterdir()] == ["b.json"]


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pathlib

    path = tmp_path / "b.json"
    results.write(path, {"schema": 1})

    def full(self: pathlib.Path, *args: Any, **kwargs: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_text", full)
    with pytest.raises(UserError, match=r"b\.json cannot be written: No space left on device"):
        results.write(path, {"schema": 2})
    assert json.loads(path.read_bytes()) == {"schema": 1}


def test_a_folder_that_cannot_be_made_is_the_user_s_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        results.write(tmp_path / "file" / "x" / "b.json", {"schema": 1})


def test_numbers_that_json_cannot_hold_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.write(tmp_path / "b.json", {"x": math.nan})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null", "{}", '{"schema": 2}', '{"schema": "1"}', "\udcff"])
def test_a_file_that_is_no_result_is_refused_by_name_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError) as caught:
        frames.load(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


WRONG: dict[str, tuple[tuple[str | int, ...], Any]] = {
    "measures.top1: Input should be a valid number": (("measures", "top1"), "94"),
    "measures.top5: Input should be a valid number": (("measures", "top5"), None),
    "measures.curve.0.loss: Input should be a valid number": (("measures", "curve"), [{"epoch": 1, "loss": "low"}]),
    "measures: missing, though the trial is done": (("measures",), None),
    "trial.ipc: Input should be a valid integer": (("trial", "ipc"), 2.5),
    "trial.evaluation_seed: Input should be less": (("trial", "evaluation_seed"), 2**64),
    "trial.optimizer: not known to this version": (("trial", "optimizer"), "sgd"),
    "trial.dataset: holds control characters": (("trial", "dataset"), "toy\x1b[2J"),
    "status: Input should be 'done' or 'failed'": (("status",), "lucky"),
    "stages.evaluate.facts.precision: Field required": (("stages", "evaluate", "facts"), {"data": {}, "seed": 0}),
    "stages.synthesize.keys.1: Input should be a valid string": (("stages", "synthesize", "keys", 1), 7),
    "stages.synthesize: Field required": (("stages",), {}),
    "costs.evaluate.seconds: Input should be a valid number": (("costs", "evaluate", "seconds"), []),
    "teacher: ": (("teacher",), [1]),
    "bytes.images: Input should be a valid integer": (("bytes", "images"), "6400"),
    "made.evaluate.components.dataset: ": (("made", "evaluate", "components", "dataset"), "toy"),
}


@pytest.mark.parametrize("said", WRONG)
def test_a_value_of_a_wrong_kind_is_refused_naming_file_and_place(
    found: dict[str, Any], tmp_path: Path, said: str
) -> None:
    way, value = WRONG[said]
    place: Any = found
    for name in way[:-1]:
        place = place[name]
    place[way[-1]] = value
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(found))
    with pytest.raises(UserError) as caught:
        results.read(path)
    assert str(caught.value).startswith(f"result file {path} is damaged: {said}")
    assert str(caught.value).endswith("; delete it and run again")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_finite_number_is_refused_wherever_it_stands(
    found: dict[str, Any], tmp_path: Path, number: str
) -> None:
    for place in (found["measures"], found["stages"]["squeeze"]["facts"]["teacher"]):
        name = next(iter(place))
        before, place[name] = place[name], 123456
        (tmp_path / "nan.json").write_text(json.dumps(found).replace("123456", number))
        place[name] = before
        with pytest.raises(UserError, match=r"nan\.json .*; delete it and run again"):
            results.read(tmp_path / "nan.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; delete it and run again"),
        (b" \n", "is empty; delete it and run again"),
        (b'{"schema": 1, "trial": {"data', "is not whole JSON"),
        (b"[" * 100_000, "is not whole JSON"),
        ('{"schema": 1}'.encode("utf-16"), "is not UTF-8 text"),
        (b'{"schema": 2}', "has schema 2, this ddbench reads 1; upgrade ddbench"),
        (b'{"top1": 94}', "is not a result file; keep other files out"),
        (b'{"schema": 1}', "is damaged: "),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a b ü.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        results.read(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match="larger than 64 MiB"):
        results.read(tmp_path / "huge.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UserError, match="is not a file"):
        results.read(tmp_path / "pipe.json")


def test_a_file_that_may_not_be_read_is_refused(
    found: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pathlib

    def denied(self: pathlib.Path, *args: Any, **kwargs: Any) -> str:
        raise PermissionError(13, "Permission denied")

    results.write(tmp_path / "b.json", found)
    monkeypatch.setattr(pathlib.Path, "read_text", denied)
    with pytest.raises(UserError, match=r"b\.json cannot be read: Permission denied"):
        results.read(tmp_path / "b.json")


def test_a_file_of_the_schema_without_its_parts_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"schema": 1, "trial": {}}')
    with pytest.raises(UserError, match=r"half\.json"):
        frames.load(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no results folder .*; 'ddbench run' makes one"):
        frames.load(tmp_path / "nowhere")


def test_a_folder_that_is_called_like_a_file_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    (tmp_path / "x.json" / "y.json").touch()
    assert files(tmp_path) == [tmp_path / "x.json" / "y.json"]


def test_links_are_followed_each_folder_once_and_circles_end(tmp_path: Path) -> None:
    real = tmp_path / "disk" / "cifar10"
    real.mkdir(parents=True)
    (real / "a.json").touch()
    out = tmp_path / "out"
    out.mkdir()
    (out / "cifar10").symlink_to(real)
    (real / "up").symlink_to(out)
    (out / "again").symlink_to(out)
    assert files(out) == [out / "cifar10" / "a.json"]


def test_a_link_that_leads_nowhere_or_to_itself_is_refused_by_name(tmp_path: Path) -> None:
    for name, target in (("lost.json", tmp_path / "nowhere"), ("self.json", tmp_path / "self.json")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(UserError, match=f"{name} cannot be read"):
            results.read(files(tmp_path)[0])
        (tmp_path / name).unlink()


def test_a_folder_that_cannot_be_read_is_told_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()
    scan = os.scandir

    def denied(path: Any) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(UserError, match="locked cannot be read: Permission denied; its results are missing"):
        files(tmp_path)
    heard: list[UserError] = []
    assert files(tmp_path, heard.append) == []
    assert len(heard) == 1


def test_folders_without_end_are_told_and_the_rest_is_found(tmp_path: Path) -> None:
    (tmp_path / "z.json").touch()
    tmp_path.joinpath(*["a"] * 200).mkdir(parents=True)
    heard: list[UserError] = []
    assert files(tmp_path, heard.append) == [tmp_path / "z.json"]
    [error] = heard
    assert "lies too deep" in str(error)


def test_files_are_found_at_any_depth_sorted_and_drafts_are_not(tmp_path: Path) -> None:
    for name in ("b/z.json", "a/deep/y.json", ".draft.json.17", "a/.half.json", "a/table.csv", "a/.old/x.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in files(tmp_path)] == ["a/deep/y.json", "b/z.json"]


# ---------------------------------------------------------------------------------------------- bytes


def test_images_weigh_their_pixels(documents: Documents) -> None:
    assert documents(ipc=3)[0]["bytes"]["images"] == 3 * 3 * 8 * 8


@pytest.mark.parametrize(
    ("labels", "weight"),
    [
        ("toy-labels", 2 * 3 * 8),  # the stored classes, int64
        ("live[bytes=1000]", 1000),  # what is stored needs the teacher no more
        ("live", None),  # labels made by a live teacher weigh as much as the teacher
    ],
)
def test_labels_weigh_what_a_student_needs_beside_the_images(
    documents: Documents, labels: str, weight: int | None
) -> None:
    convolution, norm, linear = 8 * 9, 4 * 8, 3 * 32 + 3
    teacher = 4 * (convolution + norm + linear) + 8  # float32, and one int64 counter of batch norm
    assert documents(labels=labels)[0]["bytes"]["labels"] == (teacher if weight is None else weight)


# ---------------------------------------------------------------------------------------------- flags


@pytest.mark.parametrize(
    "way",
    [
        ("synthesize", "facts", "synthesizer", "noise"),
        ("synthesize", "facts", "synthesizer", "version"),
        ("synthesize", "facts", "seed"),
        ("synthesize", "facts", "data", "num_classes"),
        ("relabel", "facts", "seed"),
        ("squeeze", "facts", "teacher", "steps"),
        ("evaluate", "facts", "evaluator", "steps"),
        ("evaluate", "facts", "architecture", "width"),
        ("evaluate", "facts", "seed"),
    ],
    ids=".".join,
)
def test_an_edited_setting_is_flagged(found: dict[str, Any], way: tuple[str, ...]) -> None:
    edited = copy.deepcopy(found)
    place = edited["stages"]
    for name in way[:-1]:
        place = place[name]
    place[way[-1]] += 1
    assert results.flag(found) == ""
    assert results.flag(edited) == "key differs"


@pytest.mark.parametrize("edit", ["precision", "key", "lost shard", "shards swapped", "foreign shard", "input"])
def test_edited_keys_and_inputs_are_flagged(found: dict[str, Any], edit: str) -> None:
    shards, evaluate = found["stages"]["synthesize"], found["stages"]["evaluate"]
    if edit == "precision":
        shards["facts"]["precision"] = "bfloat16"
    elif edit == "key":
        found["key"] = "0" * 64
    elif edit == "lost shard":
        evaluate["inputs"].pop("shard.1")
    elif edit == "shards swapped":
        shards["keys"].reverse()
    elif edit == "foreign shard":
        shards["keys"][1] = "0" * 64
    else:
        evaluate["inputs"]["labels"] = "0" * 64
    assert results.flag(found) == "key differs"


def test_a_stage_that_is_not_behind_the_number_is_flagged_though_its_own_key_recomputes(found: dict[str, Any]) -> None:
    squeeze = found["stages"]["squeeze"]
    squeeze["facts"]["teacher"]["steps"] += 1
    squeeze["key"] = stage_key("squeeze", squeeze["facts"], squeeze["inputs"])
    found["checksum"] = digest({name: value for name, value in found.items() if name != "checksum"})
    assert all(results.recomputing(found).values())
    assert results.flag(found) == "key differs"


@pytest.mark.parametrize(
    "way",
    [("stages", "synthesize", "facts", "index"), ("measures", "top1"), ("trial", "evaluation_seed"), ("trial", "ipc")],
    ids=".".join,
)
def test_what_the_key_does_not_hold_is_guarded_by_the_checksum(found: dict[str, Any], way: tuple[str, ...]) -> None:
    place = found
    for name in way[:-1]:
        place = place[name]
    place[way[-1]] += 1
    assert results.flag(found) == "edited"


def test_a_set_made_in_one_piece_and_one_without_a_teacher_are_not_flagged(documents: Documents) -> None:
    [whole] = documents(synth="toy-joint")
    assert "squeeze" not in whole["stages"]
    assert results.flag(json.loads(json.dumps(whole))) == ""
    whole["stages"]["synthesize"]["facts"]["ipc"] = 3
    assert results.flag(whole) == "key differs"


# ------------------------------------------------------------------------------------------ provenance


def test_every_stage_tells_when_by_what_and_to_what_it_was_made(found: dict[str, Any]) -> None:
    made = found["made"]
    assert made.keys() == {"squeeze", "synthesize", "relabel", "evaluate"}
    assert all(stage["started_at"] <= stage["finished_at"] for stage in made.values())
    assert {verb for verb, stage in made.items() if re.fullmatch("[0-9a-f]{64}", stage.get("sha256", ""))} == {
        "squeeze", "synthesize", "relabel",
    }  # fmt: skip
    assert made["evaluate"]["components"]["student"] == {
        "spec": "toy-net[width=8]",
        "version": 1,
        "distribution": "ddbench-toys 1.0",
    }
    assert made["synthesize"]["components"]["synthesizer"]["spec"].startswith("toy-synth[")
    assert "dataset" not in made["synthesize"]["components"]  # as in the evaluation


def test_the_teacher_s_checksum_is_that_of_its_stored_weights(found: dict[str, Any], tmp_path: Path) -> None:
    key = found["stages"]["squeeze"]["key"]
    weights = tmp_path / "store" / "squeeze" / key[:2] / key / "weights.safetensors"
    assert found["made"]["squeeze"]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()


def stage(**parts: Any) -> dict[str, Any]:
    return {"environment": {}, "sources": {}, "components": {}, "started_at": "2", "finished_at": "3", **parts}


def test_of_earlier_stages_what_differs_from_the_evaluation_is_told() -> None:
    here = {"device": "cpu", "versions": {"torch": "2", "timm": "1"}}
    there = {"device": "gpu", "versions": {"torch": "1", "timm": "1"}}
    metas = {
        "t": stage(environment=there, sources={"a": "1"}, command="ddbench run"),
        "e": stage(environment=here, sources={"a": "1", "b": "2"}, command="ddbench run"),
    }
    told = provenance.made({"squeeze": ["t"], "evaluate": ["e"]}, metas)
    assert told == {
        "squeeze": {
            "started_at": "2",
            "finished_at": "3",
            "environment": {"device": "gpu", "versions": {"torch": "1"}},
        },
        "evaluate": {"started_at": "2", "finished_at": "3", "command": "ddbench run"},
    }


def test_shards_that_were_made_apart_are_told_as_mixed_and_lost_ones_not_at_all() -> None:
    metas = {"a": stage(started_at="5"), "b": stage(finished_at="9", environment={"device": "gpu"}), "c": stage()}
    assert provenance.made({"synthesize": ["a", "b"]}, metas)["synthesize"] == {
        "started_at": "2", "finished_at": "9", "mixed": True,
    }  # fmt: skip
    assert "mixed" not in provenance.made({"synthesize": ["a", "c"]}, metas)["synthesize"]
    assert provenance.made({"synthesize": ["a", "lost"]}, metas) == {}


def test_a_stage_from_before_all_this_was_told_is_told_as_far_as_it_is_known() -> None:
    old = {"environment": {"device": "cpu"}, "sources": {"a": "1"}, "started_at": "2"}
    assert provenance.made({"evaluate": ["e"]}, {"e": old}) == {"evaluate": {"started_at": "2"}}
