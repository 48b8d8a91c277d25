"""``ddbench analyze``: what it reads, prints and writes, and how it refuses."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ddbench.store import Store

Call = Callable[..., Any]
SVG = b"<?xml"
PNG = b"\x89PNG"


@pytest.fixture
def analyze(command: Call, toys: list[str]) -> Call:
    """Return a function that calls ``ddbench analyze`` on the toys, with further options."""
    return lambda *options: command("analyze", *toys, *options)


def stored() -> set[str]:
    return {f"{artifact.kind}/{artifact.key}" for artifact in Store(Path("store")).artifacts()}


def values(ended: Any, measure: str, label: str = "") -> list[float]:
    rows = ended.document["measures"]
    return [row["value"] for row in rows if (row["measure"], row["class"]) == (measure, label)]


def test_every_diagnostic_looks_at_what_a_run_has_stored_and_nothing_is_computed(run: Call, analyze: Call) -> None:
    run()
    before = stored()

    ended = analyze()

    assert (ended.code, ended.err) == (0, "")
    for name in ("toy-look", "vendi", "feature-distance", "density-coverage", "nearest-real", "label-entropy"):
        assert name in ended.out
    assert "teacher toy-teacher" in ended.out
    assert stored() == before


def test_numbers_are_those_of_the_stored_images(run: Call, analyze: Call) -> None:
    run()

    ended = analyze("--diagnostics", "toy-look", "--json")

    shards = [
        artifact.tensors("batch-00000")
        for artifact in Store(Path("store")).artifacts()
        if artifact.kind == "synthesize"
    ]
    levels = [float(shard["images"].float().mean()) for shard in shards]
    assert len(levels) == 2
    assert values(ended, "level") == [pytest.approx(sum(levels) / 2)]
    ones = [float(shard["images"][shard["labels"] == 1].float().mean()) for shard in shards]
    assert values(ended, "level", "stripes 1") == [pytest.approx(sum(ones) / 2)]


def test_a_row_is_the_mean_over_synthesis_seeds_with_its_deviation_and_their_number(run: Call, analyze: Call) -> None:
    run("--synth-seeds", "0-2")

    ended = analyze("--synth-seeds", "0-2", "--diagnostics", "toy-look")

    each = pd.Series(values(analyze("--synth-seeds", "0-2", "--diagnostics", "toy-look", "--json"), "level"))
    assert len(each) == 3
    assert f"{each.mean():.1f} ± {each.std():.1f} (3)" in ended.out


def test_random_real_images_are_copies_and_toy_images_are_not(run: Call, analyze: Call) -> None:
    options = ("--synth", "random,toy-synth", "--labels", "online")
    run(*options)

    ended = analyze(*options, "--diagnostics", "nearest-real", "--json")

    assert values(ended, "copies") == [100.0, 0.0]
    assert values(ended, "pixel")[0] == values(ended, "feature")[0] == 0.0
    assert values(ended, "pixel")[1] > 0


def test_what_cannot_be_said_is_null_in_json_and_a_gap_in_the_table(run: Call, analyze: Call) -> None:
    run("--ipc", "1")
    options = ("--ipc", "1", "--diagnostics", "feature-distance")

    assert set(values(analyze(*options, "--json"), "ratio")) == {None}
    assert "\N{EN DASH}" in analyze(*options).out


def test_nothing_stored_ends_with_4_and_the_line_names_the_run_that_mends_it(analyze: Call, command: Call) -> None:
    ended = analyze("--synth-seeds", "1", "--diagnostics", "toy-look")

    assert (ended.code, ended.out) == (4, "")
    assert len(ended.err.splitlines()) == 1
    assert "toy-synth ipc 2 seed 1" in ended.err
    assert not Path("store").exists()
    words = shlex.split(ended.err.rpartition("what is missing: ")[2])
    assert words[:2] == ["ddbench", "run"]
    assert command(*words[1:], "--executor", "serial").code == 0
    assert analyze("--synth-seeds", "1", "--diagnostics", "toy-look").code == 0


def test_sets_that_are_not_stored_are_named_in_one_line_and_the_rest_is_looked_at(run: Call, analyze: Call) -> None:
    run()

    ended = analyze("--ipc", "2,3", "--diagnostics", "toy-look", "--json")

    assert ended.code == 0
    assert len(ended.err.splitlines()) == 1
    assert ended.err.startswith("Not in the store, left out: toy-synth ipc 3 seed 0 (toy, toy-teacher); to make what")
    assert {row["ipc"] for row in ended.document["measures"]} == {2}


def test_images_without_their_teacher_are_enough_for_diagnostics_that_ask_none(run: Call, analyze: Call) -> None:
    run()
    store = Store(Path("store"))
    for artifact in list(store.artifacts()):
        if artifact.kind == "squeeze":
            store.remove(artifact.kind, artifact.key)

    assert analyze("--diagnostics", "toy-look").code == 0
    assert analyze("--diagnostics", "toy-look,vendi").code == 4


def test_a_set_is_looked_at_once_for_each_temperature_of_labels(run: Call, analyze: Call) -> None:
    run("--labels", "online")

    def entropies(labels: str) -> list[float]:
        return values(analyze("--labels", labels, "--diagnostics", "label-entropy", "--json"), "entropy")

    hot, cold = entropies("online[temperature=90.0]"), entropies("online[temperature=1.0]")
    assert cold[0] < hot[0] < math.log(3)
    assert entropies("online[temperature=90.0],online[temperature=1.0]") == hot + cold
    assert entropies("online[temperature=90.0],online[temperature=90.0,teacher_mode=train],toy-labels") == hot


@pytest.mark.parametrize("name", ["deep/table.csv", "table.parquet"])
def test_the_table_is_written_as_a_tidy_frame(run: Call, analyze: Call, name: str) -> None:
    run()

    ended = analyze("--diagnostics", "toy-look,teacher-accuracy", "--output", name)

    assert f"table: {name}" in ended.out
    frame = pd.read_csv(name, keep_default_na=False) if name.endswith("csv") else pd.read_parquet(name)
    assert list(frame["measure"].unique()) == ["level", "top1", "top5", "confidence"]
    assert len(frame) == 4 + 4 + 2  # two of them class by class
    assert set(frame["class"]) == {"", "stripes 0", "stripes 1", "stripes 2"}
    assert set(frame["synthesizer"]) == {"toy-synth"}


def test_figures_are_drawn_as_png_and_svg_the_same_again_to_the_last_byte(run: Call, analyze: Call) -> None:
    pytest.importorskip("matplotlib")
    run("--synth", "toy-synth,toy-joint", "--labels", "online")
    options = ("--synth", "toy-synth,toy-joint", "--labels", "online")

    ended = analyze(*options, "--diagnostics", "images,logits-map,vendi", "--figures", "first", "--json")
    analyze(*options, "--diagnostics", "images,logits-map,vendi", "--figures", "again")

    files = sorted(path.relative_to("first") for path in Path("first").rglob("*.*"))
    assert sorted(Path(path) for path in ended.document["figures"]) == [Path("first") / file for file in files]
    stems = {file.with_suffix("").as_posix().rpartition("-synth0")[0] or file.stem for file in files}
    assert stems == {
        "vendi-toy-teacher",
        *(
            f"toy/{each}/ipc2/{name}-toy-teacher"
            for each in ("toy-synth", "toy-joint")
            for name in ("images", "logits-map")
        ),
    }
    for file in files:
        content = (Path("first") / file).read_bytes()
        assert content.startswith(PNG if file.suffix == ".png" else SVG)
        assert content == (Path("again") / file).read_bytes()


def test_a_diagnostic_that_fails_leaves_a_gap_and_the_others_go_on(run: Call, analyze: Call) -> None:
    run()

    ended = analyze("--diagnostics", "toy-look[fail=true],toy-look", "--json")

    assert ended.code == 3
    assert ended.err == "failed: toy-look[fail=true] of toy-synth ipc 2 seed 0: RuntimeError: told to fail\n"
    assert len(values(ended, "level")) == 1


def test_a_corrupt_image_is_named_in_one_line(run: Call, analyze: Call) -> None:
    run()
    file = next(Path("store", "synthesize").rglob("*.safetensors"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 0xFF
    file.write_bytes(content)

    ended = analyze("--diagnostics", "toy-look")

    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert file.name in ended.err
    assert "ddbench cache verify" in ended.err


BAD = {
    "unknown diagnostic": (["--diagnostics", "vendy"], ["unknown diagnostic 'vendy'", "did you mean 'vendi'?"]),
    "unknown parameter": (["--diagnostics", "vendi[clases=3]"], ["unknown parameter 'clases'", "'classes'?"]),
    "out of range": (
        ["--diagnostics", "density-coverage[k=0]"],
        ["density-coverage[k=0]", "greater than or equal to 1"],
    ),
    "only draws": (["--diagnostics", "vendi,images"], ["'images' only draws", "--figures"]),
    "unknown synthesizer": (["--synth", "toy-synht"], ["unknown synthesizer 'toy-synht'"]),
    "another table": (["--output", "table.xlsx"], ["--output table.xlsx", ".parquet, .csv, .json"]),
    "folder of the table": (["--output", "file/table.csv"], ["the folder file cannot be written", "--output"]),
    "folder of figures": (
        ["--figures", "file/below"],
        ["the figures folder file/below cannot be written", "--figures"],
    ),
    "device": (["--device", "abacus"], ["device 'abacus' cannot be used"]),
    "nobody asks a teacher": (["--synth", "toy-joint", "--diagnostics", "vendi"], ["'vendi' asks a teacher", "online"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line_and_writes_nothing(run: Call, analyze: Call, name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    options, words = BAD[name]

    ended = analyze(*options)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: ")
    assert len(ended.err.splitlines()) == 1
    assert [word for word in words if word not in ended.err] == []
    assert sorted(tmp_path.rglob("*")) == before


def test_figures_without_matplotlib_name_what_to_install(analyze: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddbench.cli.figures.find_spec", lambda name: None)

    ended = analyze("--figures", "figures")

    assert (ended.code, ended.err) == (2, "Error: figures need matplotlib: pip install 'ddbench[figures]'\n")
