from __future__ import annotations

import copy
import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from ddbench import results
from ddbench.errors import UserError
from ddbench.reported import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ddbench.plan import Plan

    Documents = Callable[..., list[dict[str, Any]]]

DONE = {"status": "done", "error": ""}


@pytest.fixture
def documents(planned: Callable[..., Plan], carry_out: Callable[..., Any]) -> Documents:
    """Return a function that computes a small benchmark and writes its trials down."""

    def make(**lists: Any) -> list[dict[str, Any]]:
        plan = planned(**lists)
        metas = {outcome.stage.key: outcome.meta for outcome in carry_out(plan.stages.values())}
        return [results.document(plan, trial, metas, DONE) for trial in plan.trials]

    return make


@pytest.fixture
def found(documents: Documents) -> dict[str, Any]:
    """Return one trial's document as it is read from a file."""
    return dict(json.loads(json.dumps(documents()[0])))


def saved(folder: Path, *found: dict[str, Any]) -> Path:
    for number, document in enumerate(found):
        results.write(folder / "deep" / f"{number}.json", document)
    return folder


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
        results.load(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_the_schema_without_its_parts_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"schema": 1, "trial": {}}')
    with pytest.raises(UserError, match=r"half\.json"):
        results.load(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no results folder .*; 'ddbench run' makes one"):
        results.load(tmp_path / "nowhere")


def test_files_are_found_at_any_depth_sorted_and_drafts_are_not(tmp_path: Path) -> None:
    for name in ("b/z.json", "a/deep/y.json", ".draft.json.17", "a/.half.json", "a/table.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in results.files(tmp_path)] == ["a/deep/y.json", "b/z.json"]


# ---------------------------------------------------------------------------------------------- frame


def test_an_empty_folder_gives_an_empty_frame_of_the_same_columns(tmp_path: Path) -> None:
    table = results.load(tmp_path)
    assert list(table.columns) == list(results.COLUMNS)
    assert len(table) == 0


def test_the_frame_holds_a_row_a_trial_with_its_coordinates_and_numbers(documents: Documents, tmp_path: Path) -> None:
    written = documents(seeds="0-1", synth="toy-synth[noise=1]")
    table = results.load(saved(tmp_path / "out", *written))
    assert list(table.columns) == list(results.COLUMNS)
    assert table["evaluation_seed"].tolist() == [0, 1]
    assert set(table["synthesizer"]) == {"toy-synth[noise=1.0]"}
    assert table["ipc"].tolist() == [2, 2]
    assert set(table["status"]) == {"done"}
    assert set(table["flag"]) == {""}
    assert table["top1"].tolist() == [document["measures"]["top1"] for document in written]
    assert table["key"].tolist() == [document["key"] for document in written]
    assert table[["squeeze_seconds", "synthesize_seconds", "relabel_seconds", "evaluate_seconds"]].gt(0).all(axis=None)
    assert table["reported"].isna().all()


def test_numbers_are_floats_and_seeds_and_counts_are_integers(documents: Documents) -> None:
    table = results.frame(documents())
    kinds = {name: table[name].dtype.kind for name in table.columns}
    floats = {
        "top1", "top5", "top1_best", "loss", "teacher_top1", "squeeze_seconds", "synthesize_seconds", "relabel_seconds",
        "evaluate_seconds", "peak_memory_bytes", "image_bytes", "label_bytes", "reported", "reported_std",
        "synthesize_peak_memory_bytes", "synthesize_forward_images", "synthesize_backward_images",
        "pretrain_seconds", "prepare_seconds", "prepare_peak_memory_bytes",
    }  # fmt: skip
    assert {name for name, kind in kinds.items() if kind == "f"} == floats
    assert {name for name, kind in kinds.items() if kind == "i"} == {"ipc", "synthesis_seed", "evaluation_seed"}


def test_a_failed_trial_is_a_row_without_numbers(planned: Callable[..., Plan]) -> None:
    plan = planned()
    document = results.document(plan, plan.trials[0], {}, {"status": "failed", "error": "no memory"})
    table = results.frame([document])
    assert table[["status", "error", "flag"]].to_numpy().tolist() == [["failed", "no memory", ""]]
    assert table[["top1", "teacher_top1", "evaluate_seconds", "peak_memory_bytes", "image_bytes"]].isna().all().all()
    assert table["top1"].dtype == "float64"


def test_a_failed_trial_keeps_the_costs_of_the_stages_that_ended(
    planned: Callable[..., Plan], carry_out: Callable[..., Any]
) -> None:
    plan = planned()
    ended = [stage for stage in plan.stages.values() if stage.kind in {"squeeze", "synthesize"}]
    metas = {outcome.stage.key: outcome.meta for outcome in carry_out(ended)}
    trial = plan.trials[0]
    whole = results.document(plan, trial, metas, {"status": "failed", "error": "x"})
    assert whole["costs"].keys() == {"squeeze", "synthesize"}
    assert whole["costs"]["synthesize"]["seconds"] == sum(metas[key]["cost"]["seconds"] for key in trial.shards)
    metas.pop(trial.shards[0])
    assert results.document(plan, trial, metas, {"status": "failed", "error": "x"})["costs"].keys() == {"squeeze"}


def test_a_reported_number_stands_beside_its_cell_and_no_other(documents: Documents) -> None:
    row = {"synth": "toy-synth", "eval": "toy-net", "ipc": 2, "top1": 37.9, "std": 0.3, "source": "a paper, table 3"}
    table = results.frame(documents(synth="toy-synth[noise=5],toy-joint", ipc="1,2", reported=[row]))
    here = (table["synthesizer"] == "toy-synth") & (table["ipc"] == 2)
    assert here.sum() == 1
    assert table.loc[here, ["reported", "reported_std", "reported_source"]].iloc[0].tolist() == [
        37.9, 0.3, "a paper, table 3",
    ]  # fmt: skip
    assert table.loc[~here, "reported"].isna().all()


def test_a_reported_number_of_another_data_set_stands_beside_no_cell(documents: Documents) -> None:
    row = {"synth": "toy-synth", "eval": "toy-net", "ipc": 2, "top1": 37.9, "source": "a paper"}
    assert results.frame(documents(reported=[{**row, "dataset": "cifar10"}]))["reported"].isna().all()
    assert results.frame(documents(reported=[{**row, "dataset": "toy"}]))["reported"].tolist() == [37.9]


def test_a_reported_number_brings_its_metric_its_data_set_and_why_it_is_in_doubt(documents: Documents) -> None:
    row = {
        "synth": "toy-synth", "eval": "toy-net", "ipc": 2, "dataset": "published,toy", "teacher": "toy-teacher",
        "top1": 3, "source": "s", "unreliable": "printed twice",
    }  # fmt: skip
    [found] = results.frame(documents(reported=[row])).to_dict("records")
    assert (found["reported_metric"], found["reported_dataset"]) == ("top1", "published")
    assert found["reported_unreliable"] == "printed twice"


def test_a_trial_says_which_accuracy_the_authors_of_its_exam_print(documents: Documents) -> None:
    row = {"synth": "toy-synth", "eval": "toy-net", "ipc": 2, "top1": 3, "source": "s"}
    for exam, accuracy in (("toy-exam", "last"), ("printing", "best")):
        assert results.frame(documents(evaluator=exam, reported=[row]))["reported_accuracy"].tolist() == [accuracy]


def test_files_of_before_said_nothing_of_it_and_meant_the_last(found: dict[str, Any]) -> None:
    del found["reports"]
    assert results.row(found)["reported_accuracy"] == "last"


# ---------------------------------------------------------------------------------------------- beside a paper

PAPER = {"eval": "toy-net", "ipc": 2, "dataset": "toy", "source": "a paper"}


def published(*rows: dict[str, Any]) -> tuple[Any, ...]:
    return read([{**PAPER, **row} for row in rows])


def test_published_numbers_of_a_file_take_the_place_of_those_in_the_results(documents: Documents) -> None:
    old = {"synth": "toy-synth", "eval": "toy-net", "ipc": 2, "top1": 1, "source": "old"}
    other = old | {"synth": "toy-joint"}
    measured = results.frame(documents(synth="toy-synth,toy-joint", seeds="0-1", reported=[old, other]))
    table = results.beside(measured, published({"synth": "toy-synth", "top1": 37.9}))
    assert list(table.columns) == list(results.COLUMNS)
    assert len(table) == len(measured)
    here = table["synthesizer"] == "toy-synth"
    assert set(table.loc[here, "reported_source"]) == {"a paper"}
    assert table.loc[~here, ["reported", "reported_source", "reported_metric"]].isna().all(axis=None)
    assert table["top1"].tolist() == measured["top1"].tolist()
    assert table["reported_accuracy"].tolist() == ["last"] * 4


def test_what_nobody_measured_is_a_row_with_the_coordinates_it_has_and_no_numbers_but_the_paper_s(
    documents: Documents,
) -> None:
    rows = published({"synth": "toy-synth", "top1": 1}, {"synth": "toy-synth", "ipc": 9, "top1": 2, "std": 0.5})
    table = results.beside(results.frame(documents(synth="toy-synth")), rows)
    assert table["status"].tolist() == ["done", "reported"]
    alone = table.iloc[1]
    assert (alone["dataset"], alone["synthesizer"], alone["architecture"], alone["ipc"]) == (
        "toy",
        "toy-synth",
        "toy-net",
        9,
    )
    assert (alone["reported"], alone["reported_std"]) == (2, 0.5)
    numbers = [
        "top1",
        "top1_best",
        "evaluation_seed",
        "teacher_top1",
        "evaluate_seconds",
        "teacher",
        "evaluator",
        "key",
    ]
    assert alone[numbers].isna().all()
    assert table["ipc"].dtype.kind == "i"


def test_a_method_that_ddbench_does_not_have_is_a_row_under_its_name(documents: Documents) -> None:
    table = results.beside(results.frame(documents()), published({"method": "MTT", "top1": 65.3}))
    assert table["synthesizer"].tolist() == ["toy-synth", "MTT"]
    assert table["status"].tolist() == ["done", "reported"]


def test_a_number_of_images_is_a_row_for_each_set_of_images_that_it_belongs_to(documents: Documents) -> None:
    cost = {"synth": "toy-synth", "dataset": "toy", "metric": "seconds_per_ipc", "value": 125.12, "source": "s"}
    measured = results.frame(documents(ipc="1,2", eval="toy-net,toy-net[width=4]", synth="toy-synth,toy-joint"))
    table = results.beside(measured, read([cost, {**cost, "synth": "toy-synth[noise=9]"}]))
    alone = table[table["status"] == "reported"]
    assert alone["ipc"].fillna(0).tolist() == [1, 2, 0]
    assert alone["synthesizer"].tolist() == ["toy-synth", "toy-synth", "toy-synth[noise=9]"]
    assert set(alone["teacher"].iloc[:2]) == {"toy-teacher"}
    assert alone["architecture"].isna().all()
    assert table.loc[table["status"] == "done", "reported"].isna().all()


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


def test_a_flag_reaches_the_frame(found: dict[str, Any], tmp_path: Path) -> None:
    edited = copy.deepcopy(found)
    edited["stages"]["evaluate"]["facts"]["seed"] = 5
    assert results.load(saved(tmp_path / "out", found, edited))["flag"].tolist() == ["", "key differs"]
