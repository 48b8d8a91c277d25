from __future__ import annotations

import copy
import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from ddbench import frames, results
from ddbench.errors import UserError

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


def test_a_file_of_the_schema_without_its_parts_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"schema": 1, "trial": {}}')
    with pytest.raises(UserError, match=r"half\.json"):
        frames.load(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no results folder .*; 'ddbench run' makes one"):
        frames.load(tmp_path / "nowhere")


def test_files_are_found_at_any_depth_sorted_and_drafts_are_not(tmp_path: Path) -> None:
    for name in ("b/z.json", "a/deep/y.json", ".draft.json.17", "a/.half.json", "a/table.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in results.files(tmp_path)] == ["a/deep/y.json", "b/z.json"]


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
