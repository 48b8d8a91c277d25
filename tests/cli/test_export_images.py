"""``ddbench export-images``: a distilled set as files that others, and ``ddbench eval``, read."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

Call = Callable[..., Any]

GRID = ("--dataset", "digits", "--teacher", "toy-teacher", "--labels", "static")
STUDENT = "standard[batch_size=30,epochs=8]"
EXAM = ("--eval", "toy-net", "--evaluator", STUDENT, "--seeds", "0", "--executor", "serial")
LOSSLESS = ("png", "parquet", "webdataset")


@pytest.fixture
def export(command: Call) -> Call:
    """Return a function that exports the stored set."""
    options = ("--synth", "random", "--ipc", "3", *GRID, "--evaluator", STUDENT)
    return lambda *arguments: command("export-images", *options, *map(str, arguments))


@pytest.fixture
def stored(command: Call, toys: list[str]) -> None:
    """Run real digits under the toys' exam, hard labels and soft ones."""
    assert toys
    ended = command("run", "--synth", "random", "--ipc", "3", *GRID, "--labels", "static,hard", *EXAM)
    assert ended.code == 0, ended.err


def shards() -> tuple[Tensor, Tensor]:
    """Return the images and labels of the only set in the store, in stored order."""
    from ddbench import shards
    from ddbench.store import Store

    [found] = {
        tuple(json.loads(path.read_text())["stages"]["synthesize"]["keys"]) for path in Path("results").rglob("*.json")
    }
    read = shards.read(Store(Path("store")), found)
    return read.images, read.labels


def scores(folder: str = "results") -> dict[str, tuple[float, float]]:
    """Return top-1 and test loss of each labeler's student, to the last digit."""
    found = [json.loads(path.read_text()) for path in Path(folder).rglob("*.json")]
    measured = {each["trial"]["labeler"].partition("[")[0]: each["measures"] for each in found}
    return {labeler: (each["top1"], each["loss"]) for labeler, each in measured.items()}


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("form", LOSSLESS)
def test_a_lossless_set_scores_the_same_when_it_is_read_again(form: str, export: Call, command: Call) -> None:
    assert export("out", "--format", form).code == 0
    options = ("--dataset", "digits", "--teacher", "toy-teacher", "--labels", "hard,own", *EXAM, "--out", "again")
    ended = command("eval", "out", *options)
    assert ended.code == 0, ended.err
    before, after = scores(), scores("again")
    assert after == {"hard": before["hard"], "own": before["static"]}
    assert before["hard"] != before["static"], "the test would not tell one from the other"


@pytest.mark.usefixtures("stored")
def test_png_files_hold_the_images_under_number_and_name(export: Call) -> None:
    assert export("out").code == 0
    images, labels = shards()
    for place, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        path = Path("out") / f"{label:03d}_{label}" / f"{place // 10:05d}.png"
        assert torch.equal(torch.from_numpy(np.array(Image.open(path)))[None], image)
    assert len(list(Path("out").rglob("*.png"))) == 30


@pytest.mark.usefixtures("stored")
def test_parquet_has_the_columns_and_features_of_the_hugging_face_hub(export: Call) -> None:
    assert export("out", "--format", "parquet").code == 0
    table = pq.read_table("out/data/train-00000-of-00001.parquet")
    images, labels = shards()
    assert table.column("label").to_pylist() == labels.tolist()
    first = table.column("image")[0].as_py()
    assert first.keys() == {"bytes", "path"}
    assert torch.equal(torch.from_numpy(np.array(Image.open(io.BytesIO(first["bytes"]))))[None], images[0])
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["label"] == {"names": list("0123456789"), "_type": "ClassLabel"}
    assert np.allclose(np.sum(table.column("soft_label").to_pylist(), 1), 1)


@pytest.mark.usefixtures("stored")
def test_webdataset_shards_pair_images_and_classes_and_are_the_same_each_time(export: Call) -> None:
    assert export("out", "--format", "webdataset").code == 0
    assert export("again", "--format", "webdataset").code == 0
    assert Path("out/train-00000.tar").read_bytes() == Path("again/train-00000.tar").read_bytes()
    with tarfile.open("out/train-00000.tar") as file:
        names = file.getnames()
        classes = [int(file.extractfile(name).read()) for name in names[1::2]]  # type: ignore[union-attr]  # it is a file
    assert names[:4] == ["000000.png", "000000.cls", "000001.png", "000001.cls"]
    assert classes == shards()[1].tolist()


@pytest.mark.usefixtures("stored")
def test_the_layout_of_sre2l_keeps_images_up_to_jpegs_error(export: Call) -> None:
    assert export("out", "--format", "sre2l").code == 0
    images, labels = shards()
    label = int(labels[13])
    read = torch.from_numpy(np.array(Image.open(f"out/new{label:03d}/class{label:03d}_id001.jpg")))
    assert (read.float() - images[13, 0].float()).abs().mean() < 3
    assert len(list(Path("out").rglob("*.jpg"))) == 30


@pytest.mark.usefixtures("stored")
def test_labels_lie_beside_the_images(export: Call) -> None:
    assert export("out").code == 0
    with safe_open("out/labels.safetensors", framework="pt") as file:
        labels, soft, metadata = file.get_tensor("labels"), file.get_tensor("soft_labels"), file.metadata()
    assert torch.equal(labels, torch.arange(10).repeat(3))
    assert soft.shape == (30, 10)
    assert torch.allclose(soft.sum(1), torch.ones(30))
    assert json.loads(metadata["classes"]) == list("0123456789")
    assert float(metadata["temperature"]) > 1
    assert export("hard", "--labels", "hard").code == 0
    with safe_open("hard/labels.safetensors", framework="pt") as file:
        assert list(file.keys()) == ["labels"]


@pytest.mark.usefixtures("stored")
def test_others_may_read_every_file_that_the_umask_lets_them(export: Call) -> None:
    before = os.umask(0o022)
    try:
        assert export("out").code == 0
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in Path("out").rglob("*") if file.is_file()} == {0o644}


@pytest.mark.usefixtures("stored")
def test_the_card_says_what_it_is_how_it_was_made_and_what_it_scored(export: Call) -> None:
    assert export("out").code == 0
    card = Path("out/README.md").read_text()
    document = json.loads(next(Path("results").rglob("*.json")).read_text())
    for said in (
        "# random, digits, 3 images per class",
        document["stages"]["synthesize"]["facts"]["data"]["fingerprint"],
        document["stages"]["synthesize"]["keys"][0][:16],
        f"| `toy-net` | `hard` | `{STUDENT}` |",
        f"| `toy-net` | `static` | `{STUDENT}` |",
        f"| torch | `{torch.__version__.partition('+')[0]}",
        "Licence",
        "@misc{ddbench-",
        "arXiv 2502.06434",
    ):
        assert said in card
    assert str(Path.cwd()) not in card


@pytest.mark.usefixtures("stored")
def test_a_folder_is_replaced_only_where_that_is_asked_and_it_is_an_exported_set(export: Call) -> None:
    assert export("out").code == 0
    assert "out holds an exported set: name a new folder, or replace it by --force" in export("out").err
    assert export("out", "--force", "--format", "webdataset").code == 0
    assert not list(Path("out").rglob("*.png"))
    Path("mine").mkdir()
    (Path("mine") / "thesis.txt").write_text("years of work")
    ended = export("mine", "--force")
    assert (ended.code, ended.err) == (2, "Error: mine is not empty, and no exported set: name a new folder\n")
    assert (Path("mine") / "thesis.txt").exists()
    assert not list(Path().glob(".out.*"))


def test_a_set_that_was_not_made_is_told_with_the_command_that_makes_it(export: Call, toys: list[str]) -> None:
    assert toys
    ended = export("out")
    assert ended.code == 2
    assert "has no such set; to make it: ddbench run --synth random --dataset digits --ipc 3" in ended.err
    assert not Path("out").exists()


@pytest.mark.usefixtures("stored")
def test_labels_that_are_not_of_images_and_damaged_images_are_one_line(export: Call, command: Call) -> None:
    assert command("run", "--synth", "random", "--ipc", "3", *GRID, *EXAM, "--labels", "online").code == 0
    assert "labels 'online' are of views, not of images" in export("out", "--labels", "online").err
    path = next(Path("store/synthesize").rglob("batch-00000.safetensors"))
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    ended = export("out")
    assert ended.code == 2
    assert "does not match its checksum; 'ddbench cache verify' removes it" in ended.err
    assert ended.err.count("\n") == 1
    assert not Path("out").exists()
    assert not list(Path().glob(".out.*"))


@pytest.mark.usefixtures("stored")
def test_a_result_file_that_cannot_be_read_is_told_and_does_not_stop_the_export(export: Call) -> None:
    Path("results/broken.json").write_text("{")
    ended = export("out")
    assert ended.code == 0
    assert "Warning: result file results/broken.json" in ended.err
