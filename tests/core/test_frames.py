from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from ddbench import exports, frames, results
from ddbench.errors import UserError
from ddbench.keys import digest
from ddbench.reported import read
from ddbench.rows import COLUMNS, row

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddbench.plan import Plan

    Documents = Callable[..., list[dict[str, Any]]]
    Saved = Callable[..., Path]

DONE = {"status": "done", "error": ""}


def test_an_empty_folder_gives_an_empty_frame_of_the_same_columns(tmp_path: Path) -> None:
    table = frames.load(tmp_path)
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 0


def test_the_frame_holds_a_row_a_trial_with_its_coordinates_and_numbers(documents: Documents, saved: Saved) -> None:
    written = documents(seeds="0-1", synth="toy-synth[noise=1]")
    table = frames.load(saved(*written))
    assert list(table.columns) == list(COLUMNS)
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
    table = frames.frame(documents())
    kinds = {name: table[name].dtype.kind for name in table.columns}
    floats = {
        "top1", "top5", "top1_best", "loss", "teacher_top1", "squeeze_seconds", "synthesize_seconds", "relabel_seconds",
        "evaluate_seconds", "peak_memory_bytes", "image_bytes", "label_bytes", "reported", "reported_std",
        "synthesize_peak_memory_bytes", "synthesize_forward_images", "synthesize_backward_images",
        "pretrain_seconds", "prepare_seconds", "prepare_peak_memory_bytes", "top1_val", "top1_corrupted",
        "calibration_error",
    }  # fmt: skip
    assert {name for name, kind in kinds.items() if kind == "f"} == floats
    assert {name for name, kind in kinds.items() if kind == "i"} == {"ipc", "synthesis_seed", "evaluation_seed"}


def test_a_failed_trial_is_a_row_without_numbers(planned: Callable[..., Plan]) -> None:
    plan = planned()
    document = results.document(plan, plan.trials[0], {}, {"status": "failed", "error": "no memory"})
    table = frames.frame([document])
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
    table = frames.frame(documents(synth="toy-synth[noise=5],toy-joint", ipc="1,2", reported=[row]))
    here = (table["synthesizer"] == "toy-synth") & (table["ipc"] == 2)
    assert here.sum() == 1
    assert table.loc[here, ["reported", "reported_std", "reported_source"]].iloc[0].tolist() == [
        37.9, 0.3, "a paper, table 3",
    ]  # fmt: skip
    assert table.loc[~here, "reported"].isna().all()


def test_a_reported_number_of_another_data_set_stands_beside_no_cell(documents: Documents) -> None:
    row = {"synth": "toy-synth", "eval": "toy-net", "ipc": 2, "top1": 37.9, "source": "a paper"}
    assert frames.frame(documents(reported=[{**row, "dataset": "cifar10"}]))["reported"].isna().all()
    assert frames.frame(documents(reported=[{**row, "dataset": "toy"}]))["reported"].tolist() == [37.9]


def test_a_reported_number_brings_its_metric_its_data_set_and_why_it_is_in_doubt(documents: Documents) -> None:
    row = {
        "synth": "toy-synth", "eval": "toy-net", "ipc": 2, "dataset": "published,toy", "teacher": "toy-teacher",
        "top1": 3, "source": "s", "unreliable": "printed twice",
    }  # fmt: skip
    [found] = frames.frame(documents(reported=[row])).to_dict("records")
    assert (found["reported_metric"], found["reported_dataset"]) == ("top1", "published")
    assert found["reported_unreliable"] == "printed twice"


def test_a_trial_says_which_accuracy_the_authors_of_its_exam_print(documents: Documents) -> None:
    row = {"synth": "toy-synth", "eval": "toy-net", "ipc": 2, "top1": 3, "source": "s"}
    for exam, accuracy in (("toy-exam", "last"), ("printing", "best")):
        assert frames.frame(documents(evaluator=exam, reported=[row]))["reported_accuracy"].tolist() == [accuracy]


def test_files_of_before_said_nothing_of_it_and_meant_the_last(found: dict[str, Any]) -> None:
    del found["reports"]
    assert row(found)["reported_accuracy"] == "last"


# ---------------------------------------------------------------------------------------------- beside a paper

PAPER = {"eval": "toy-net", "ipc": 2, "dataset": "toy", "source": "a paper"}


def published(*rows: dict[str, Any]) -> tuple[Any, ...]:
    return read([{**PAPER, **row} for row in rows])


def test_published_numbers_of_a_file_take_the_place_of_those_in_the_results(documents: Documents) -> None:
    old = {"synth": "toy-synth", "eval": "toy-net", "ipc": 2, "top1": 1, "source": "old"}
    other = old | {"synth": "toy-joint"}
    measured = frames.frame(documents(synth="toy-synth,toy-joint", seeds="0-1", reported=[old, other]))
    table = frames.beside(measured, published({"synth": "toy-synth", "top1": 37.9}))
    assert list(table.columns) == list(COLUMNS)
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
    table = frames.beside(frames.frame(documents(synth="toy-synth")), rows)
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
    table = frames.beside(frames.frame(documents()), published({"method": "MTT", "top1": 65.3}))
    assert table["synthesizer"].tolist() == ["toy-synth", "MTT"]
    assert table["status"].tolist() == ["done", "reported"]


def test_a_number_of_images_is_a_row_for_each_set_of_images_that_it_belongs_to(documents: Documents) -> None:
    cost = {"synth": "toy-synth", "dataset": "toy", "metric": "seconds_per_ipc", "value": 125.12, "source": "s"}
    measured = frames.frame(documents(ipc="1,2", eval="toy-net,toy-net[width=4]", synth="toy-synth,toy-joint"))
    table = frames.beside(measured, read([cost, {**cost, "synth": "toy-synth[noise=9]"}]))
    alone = table[table["status"] == "reported"]
    assert alone["ipc"].fillna(0).tolist() == [1, 2, 0]
    assert alone["synthesizer"].tolist() == ["toy-synth", "toy-synth", "toy-synth[noise=9]"]
    assert set(alone["teacher"].iloc[:2]) == {"toy-teacher"}
    assert alone["architecture"].isna().all()
    assert table.loc[table["status"] == "done", "reported"].isna().all()


def test_a_flag_reaches_the_frame(found: dict[str, Any], saved: Saved) -> None:
    edited = copy.deepcopy(found)
    edited["stages"]["evaluate"]["facts"]["seed"] = 5
    assert frames.load(saved(edited))["flag"].tolist() == ["key differs"]


# ---------------------------------------------------------------------------------------------- exports


@pytest.mark.parametrize("suffix", exports.SUFFIXES)
def test_an_export_gives_the_frame_again(documents: Documents, tmp_path: Path, suffix: str) -> None:
    failed = documents(seeds=2)[0] | {"status": "failed", "error": 'a "quoted", comma\nand a line', "measures": None}
    table = frames.frame([*documents(synth="toy-synth,toy-synth[noise=1]", seeds="0-1"), failed])
    exports.write(table, tmp_path / f"all{suffix}")
    pd.testing.assert_frame_equal(frames.load(tmp_path / f"all{suffix}"), table, check_dtype=False)


def test_a_key_that_looks_like_a_number_stays_a_text(documents: Documents, tmp_path: Path) -> None:
    exports.write(frames.frame([documents()[0] | {"key": "12345678" * 8}]), tmp_path / "all.csv")
    assert frames.load(tmp_path / "all.csv")["key"].tolist() == ["12345678" * 8]


def test_several_sources_are_one_frame(documents: Documents, saved: Saved, tmp_path: Path) -> None:
    exports.write(frames.frame(documents(ipc=1)), tmp_path / "more.parquet")
    assert frames.load(saved(*documents()), tmp_path / "more.parquet")["ipc"].tolist() == [2, 1]


def test_a_single_result_file_is_a_source_too(documents: Documents, saved: Saved) -> None:
    [document] = documents()
    [path] = saved(document).rglob("*.json")
    assert frames.load(path)["key"].tolist() == [document["key"]]
    assert list(frames.gather(path).documents) == [results.read(path)]


def test_bad_files_are_told_and_the_rest_is_gathered(documents: Documents, saved: Saved) -> None:
    folder = saved(*documents(seeds="0-1"))
    (folder / "half.json").write_text('{"schema": 1, "tri')
    (folder / "empty.json").touch()
    with pytest.raises(UserError, match=r"empty\.json is empty"):
        frames.load(folder)
    found = frames.gather(folder)
    assert len(found.frame) == len(found.documents) == 2
    assert [Path(line.split()[2]).name for line in found.bad] == ["empty.json", "half.json"]


def test_nothing_but_bad_files_is_an_error(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.json").touch()
    with pytest.raises(UserError, match=r"a\.json is empty; .* \(and 2 more such files\)"):
        frames.gather(tmp_path)


def test_a_trial_that_is_there_twice_is_taken_once_the_newest_sound_one(documents: Documents, saved: Saved) -> None:
    [old] = documents()
    measures = dict.fromkeys(("top1", "top5", "top1_best", "loss"), 1.0)
    sealed = {name: value for name, value in old.items() if name != "checksum"}
    sealed |= {"measures": measures, "started_at": "9999-01-01T00:00:00+00:00"}
    new = sealed | {"checksum": digest(sealed)}
    edited = new | {"measures": measures | {"top1": 99.0}, "started_at": "9999-12-31T00:00:00+00:00"}
    failed = {**new, "status": "failed", "error": "x", "measures": None, "started_at": "9999-12-31T00:00:00+00:00"}
    for order in ((old, new, edited, failed), (failed, edited, new, old)):
        found = frames.gather(saved(*order))
        assert found.frame["top1"].tolist() == [1.0]
        assert found.frame["flag"].tolist() == [""]
        assert found.repeated.startswith("trials that are there more than once: 1, such as in ")
        assert found.repeated.endswith("the newest sound one is taken; numbers differ in 1; flagged among them: 2")


def test_a_file_that_two_sources_hold_is_no_trial_found_twice(documents: Documents, saved: Saved) -> None:
    folder = saved(*documents())
    found = frames.gather(folder, folder / "deep")
    assert (len(found.frame), found.repeated) == (1, "")


def test_a_trial_in_a_folder_and_in_its_export_is_one_trial(documents: Documents, saved: Saved, tmp_path: Path) -> None:
    folder = saved(*documents())
    exports.write(frames.load(folder), tmp_path / "all.csv")
    found = frames.gather(tmp_path / "all.csv", folder)
    assert len(found.frame) == 1
    assert "all.csv" in found.repeated


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "not a whole csv file"),
        ("a.parquet", b"PAR1", "not a whole parquet file"),
        ("a.json", b'[{"top1": 1}', "not a whole json file"),
        ("a.json", b'"x"', "not a whole json file"),
        ("a.csv", b"x,y\n1,2\n", "column 'dataset' is missing"),
        ("a.txt", b"x", "neither a folder of results nor"),
    ],
)
def test_a_file_that_holds_no_trials_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        frames.load(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_export_that_cannot_be_written_leaves_nothing(documents: Documents, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        exports.write(frames.frame(documents()), tmp_path / "file" / "all.csv")
    with pytest.raises(UserError, match="no known suffix"):
        exports.write(frames.frame(documents()), tmp_path / "all.xlsx")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "all"))] == []


# ---------------------------------------------------------------------------------------------- settings


def test_settings_tell_every_field_and_version_but_no_seed(documents: Documents) -> None:
    one, other = (json.loads(row) for row in frames.frame(documents(seeds="0-1"))["settings"])
    assert one == other
    assert one["synthesizer"]["name"] == "toy-synth"
    assert one["evaluator"]["version"] == 1
    assert one["architecture"]["name"] == "toy-net"
    assert one["precision"] == "float32"
    assert len(one["data"]) == 8
    assert "seed" not in one
