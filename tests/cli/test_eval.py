"""``ddbench eval``: images that ddbench did not make, under its exams."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

Call = Callable[..., Any]

EXAM = (
    *("--dataset", "toy", "--teacher", "toy-teacher", "--eval", "toy-net", "--evaluator", "toy-exam"),
    *("--labels", "hard", "--seeds", "0", "--executor", "serial"),
)


def write(root: Path, each: int = 12, order: tuple[int, ...] = (0, 1, 2)) -> Path:
    """Write real toy images as a set, a folder a class; ``order`` says whose images a folder gets."""
    from ddbench.testing.toys import ToyDataset
    from ddbench.types import Place

    train = ToyDataset().open("train", Place(root, root))
    for label, shown in enumerate(order):
        places = (train.labels == shown).nonzero()[:each, 0]
        for index, pixels in enumerate(train.images(places)):
            path = root / f"stripes {label}" / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[0].numpy()).save(path)
    return root


def unfolded(text: str) -> str:
    """Return a text without the line breaks of a terminal."""
    return " ".join(text.split())


@pytest.fixture
def evaluate(command: Call, toys: list[str]) -> Call:
    """Return a function that scores sets under the toys' exam, in a folder and store of the test's own."""
    assert toys
    return lambda *arguments: command("eval", *EXAM, *map(str, arguments))


def test_sets_are_scored_a_row_each_with_the_ipc_that_they_have(evaluate: Call) -> None:
    write(Path("mein Satz ü"))
    write(Path("other"), each=3)
    ended = evaluate("mein Satz ü", "other")
    assert ended.code == 0, ended.err
    said = 'images[name="mein Satz ü"]: folder, ipc 12, classes by name; toy-teacher agrees with 100.0 % of its labels'
    assert said in unfolded(ended.out)
    assert "2 result files in results" in ended.out
    assert sorted(path.parent.name for path in Path("results").rglob("*.json")) == ["ipc12", "ipc3"]


def test_results_hold_no_path_but_the_content(evaluate: Call, tmp_path: Path) -> None:
    write(tmp_path / "hidden" / "set")
    assert evaluate(tmp_path / "hidden" / "set").code == 0
    [file] = Path("results").rglob("*.json")
    found = json.loads(file.read_text())
    assert found["trial"]["synthesizer"] == "images[name=set]"
    assert len(found["stages"]["synthesize"]["facts"]["synthesizer"]["content"]) == 64
    assert "hidden" not in file.read_text()


def test_the_document_tells_how_sets_were_read(evaluate: Call) -> None:
    write(Path("set"))
    document = evaluate("set", "--json", "--quiet").document
    assert document["sets"] == [
        {
            "synthesizer": "images[name=set]", "ipc": 12, "layout": "folder", "classes": "by name", "pixels": "",
            "soft_labels": "", "teacher_agreement": {"toy-teacher": 100.0},
        }
    ]  # fmt: skip
    assert [trial["ipc"] for trial in document["trials"]] == [12]


def test_classes_in_another_order_fail_with_three_and_are_scored_where_that_is_asked(evaluate: Call) -> None:
    write(Path("set"), order=(1, 0, 2))
    ended = evaluate("set")
    assert ended.code == 3
    assert "images of 'stripes 0' look like 'stripes 1' to the teacher (12 of 12)" in ended.err
    assert list(Path("store/synthesize").rglob("meta.json")) == []
    ended = evaluate("set", "--no-check")
    assert ended.code == 0
    assert "agrees with 33.3 % of its labels" in unfolded(ended.out)
    Path("map.toml").write_text('"stripes 0" = "stripes 1"\n"stripes 1" = "stripes 0"\n"stripes 2" = 2\n')
    assert "agrees with 100.0 % of its labels" in unfolded(evaluate("set", "--classes", "map.toml").out)


def test_an_order_that_too_few_images_tell_for_sure_is_scored_and_doubted(evaluate: Call) -> None:
    write(Path("set"), each=1, order=(1, 2, 0))
    write(Path("right"), each=1)
    ended = evaluate("set", "right")
    assert ended.code == 0
    doubt = "agrees with 0.0 % of its labels, hardly more than by chance: are its classes in another order?"
    assert f"images[name=set]: folder, ipc 1, classes by name; toy-teacher {doubt}" in unfolded(ended.out)
    assert ended.out.count("another order") == 1


def test_a_set_that_changes_is_read_anew_and_one_that_does_not_is_not(evaluate: Call) -> None:
    write(Path("set"))
    assert "3 to compute" not in evaluate("set").err
    assert "0 to compute" in evaluate("set").err
    assert "0 to compute" in evaluate(Path("set").absolute()).err
    Path("set/stripes 0/0.png").write_bytes(Path("set/stripes 0/1.png").read_bytes())
    assert "0 to compute" not in evaluate("set").err


def test_own_labels_are_found_where_the_set_lies(evaluate: Call) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 1, 8, 8), np.uint8))
    soft = torch.softmax(torch.eye(3).repeat(2, 1) * 3, 1)
    for name in ("a", "b"):
        torch.save({"images": images, "labels": torch.arange(6) % 3, "soft_labels": soft}, f"{name}.pt")
    ended = evaluate("a.pt", "b.pt", "--labels", "own,hard")
    assert ended.code == 0, ended.err
    labelers = {json.loads(path.read_text())["trial"]["labeler"] for path in Path("results").rglob("*.json")}
    assert labelers == {"own", "hard"}
    assert "soft labels of its own that look like probabilities" in unfolded(ended.out)


def test_settings_are_printed_as_a_benchmark_that_run_reads(evaluate: Call, command: Call) -> None:
    write(Path("set"))
    printed = evaluate("set", "--print-config")
    assert printed.code == 0
    Path("mine.toml").write_text(printed.out)
    first = evaluate("set", "--json", "--quiet").document["trials"]
    again = command("run", "mine.toml", "--executor", "serial", "--json", "--quiet")
    assert [trial["key"] for trial in again.document["trials"]] == [trial["key"] for trial in first]
    assert "images[name=set]" in evaluate("set", "--dry-run").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "no folder or file 'nowhere': name where the images lie"),
        (("set", "deep/set"), "2 sets are called images[name=set]: tell them apart by --name"),
        (("set", "--name", "a", "--name", "b"), "--name is given 2 times for 1 sets"),
        (("set", "--labels", "own"), "set brought no soft labels"),
        (("set", "--layout", "zip"), "layout"),
        (("set", "--layout", "parquet"), "set holds no files of layout parquet"),
        (("set", "--experiment", "0"), "experiment= chooses within .pt files"),
        (("set", "--classes", "nowhere.toml"), "the map nowhere.toml cannot be read"),
        (("set", "--dataset", "toy,digits"), "name one data set"),
        (("set", "--dataset", "digits"), "is no class of digits"),
    ],
)
def test_what_cannot_be_scored_is_one_line_before_anything_runs(arguments: Any, said: str, evaluate: Call) -> None:
    write(Path("set"), each=1)
    write(Path("deep/set"), each=1)
    ended = evaluate(*arguments)
    assert ended.code == 2
    assert ended.err.startswith("Error: ")
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert not Path("results").exists()


def test_a_truncated_jpeg_fails_the_stage_and_leaves_nothing_half_written(evaluate: Call) -> None:
    write(Path("set"), each=2)
    for path in list(Path("set").rglob("*.png")):
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    whole = Path("set/stripes 2/1.jpg").read_bytes()
    Path("set/stripes 2/1.jpg").write_bytes(whole[:-20])
    ended = evaluate("set")
    assert ended.code == 3
    assert "set/stripes 2/1.jpg does not decode as an image" in ended.err
    assert list(Path("store").glob("drafts/*")) == []
