"""``ddbench rerun``: the very same trial again, and whether its number came back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ddbench.errors import UserError
from ddbench.keys import digest
from ddbench.results import read, write
from ddbench.store import Store

Call = Callable[..., Any]

METHOD = '''
from dataclasses import dataclass
from typing import ClassVar

from ddbench import hookimpl
from ddbench.testing.toys import ToySynth


@hookimpl
def ddbench_synthesizers():
    return {"mine": Mine}


@dataclass(frozen=True)
class Mine(ToySynth):
    """A method of one's own."""

    version: ClassVar[int] = VERSION
    noise: float = NOISE
'''


@pytest.fixture
def again(command: Call) -> Call:
    """Return a function that repeats the one result there is."""

    def again(*options: str) -> Any:
        [path] = Path("results").rglob("*.json")
        return command("rerun", str(path), "--executor", "serial", "--device", "cpu", "--quiet", *options)

    return again


@pytest.fixture
def file(run: Call) -> Path:
    """Make one result; returns its file."""
    assert run("--seeds", "0", "--device", "cpu").code == 0
    [path] = Path("results").rglob("*.json")
    return path


def resealed(path: Path, **parts: Any) -> None:
    """Change parts of a document as if it had been written so."""
    found = {name: value for name, value in read(path).items() if name != "checksum"} | parts
    write(path, found | {"checksum": digest(found)})


def test_a_number_comes_back_bit_for_bit_from_a_store_of_its_own_and_nothing_is_left(again: Call, file: Path) -> None:
    number = read(file)["measures"]["top1"]
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}

    ended = again()

    assert (ended.code, ended.out, ended.err) == (0, f"same: {number:.2f} %, bit for bit\n", "")
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_a_number_that_does_not_come_back_ends_with_1_unless_within_the_tolerance(again: Call, file: Path) -> None:
    measures = read(file)["measures"]
    resealed(file, measures=measures | {"top1": measures["top1"] - 2})

    ended = again()

    assert ended.code == 1
    assert (
        ended.out.splitlines()[0] == f"differs: {measures['top1'] - 2:.2f} -> {measures['top1']:.2f} % (+2.00 points)"
    )
    assert "the trial does not repeat itself" in ended.out
    assert again("--tolerance", "1.99").code == 1
    assert again("--tolerance", "2").out.startswith("same within 2 points: ")


def test_what_differs_in_environment_and_code_is_told_and_what_came_out_otherwise_first(
    again: Call, file: Path
) -> None:
    found = read(file)
    environment = found["environment"] | {
        "cpu": "Abacus",
        "versions": found["environment"]["versions"] | {"torch": "1"},
    }
    made = found["made"] | {"synthesize": found["made"]["synthesize"] | {"sha256": "0" * 64}}
    measures = found["measures"] | {"loss": 9.0}
    resealed(file, environment=environment, made=made, measures=measures, sources=found["sources"] | {"ddbench": "0"})

    ended = again()

    assert ended.code == 0
    assert "though not bit for bit: loss 9 -> " in ended.out
    assert "the first to come out otherwise: the images" in ended.out
    assert "    cpu: Abacus -> " in ended.out
    assert "    torch: 1 -> " in ended.out
    assert "    code of ddbench: edited" in ended.out


def test_json_tells_the_same(again: Call, file: Path) -> None:
    document = again("--json").document

    assert (document["same"], document["bits"], document["file"]) == (True, True, str(file))
    assert document["before"] == document["now"] == read(file)["measures"]["top1"]
    assert document["result"]["key"] == read(file)["key"]


def test_inputs_can_be_taken_from_the_store_and_the_student_is_trained_anew(
    again: Call, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ddbench.testing.toys import ToySynth

    def fail(self: Any, task: Any) -> Any:
        raise AssertionError("the images are there")

    monkeypatch.setattr(ToySynth, "synthesize", fail)
    before = sorted(str(artifact.folder) for artifact in Store(Path("store")).artifacts())

    ended = again("--reuse", "--keep", "kept")

    assert (ended.code, ended.err) == (0, "4 of 4 inputs taken from " + str(Path("store").absolute()) + "\n")
    assert {artifact.kind for artifact in Store(Path("kept/store")).artifacts()} == {
        "squeeze", "synthesize", "relabel", "evaluate",
    }  # fmt: skip
    assert sorted(str(artifact.folder) for artifact in Store(Path("store")).artifacts()) == before
    assert "cannot be repeated" not in again().err
    assert again().code == 2  # without --reuse the images are made again, and here that fails


def test_an_input_that_a_store_elsewhere_holds_corrupt_is_not_taken_but_made_anew(
    run: Call, command: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    monkeypatch.setenv("DDBENCH_CACHE", str(tmp_path / "copies"))
    url = f"memory://{tmp_path.name}/store"
    assert run("--seeds", "0", "--device", "cpu", "--store", url).code == 0
    [path] = Path("results").rglob("*.json")
    shutil.rmtree("copies")
    files, root = fsspec.filesystem("memory"), f"/{tmp_path.name}/store"
    key = Path(files.find(f"{root}/artifacts/synthesize")[0]).stem
    files.pipe_file(files.find(f"{root}/data/{key}")[0], b"rotten")

    options = ("--executor", "serial", "--device", "cpu", "--quiet", "--reuse", "--store", url)
    ended = command("rerun", str(path), *options)

    assert ended.code == 0
    assert ended.err.splitlines()[0] == f"3 of 4 inputs taken from {url}"
    assert list(Path("copies").glob("*/uses/*")) == []


def test_with_its_inputs_the_store_lends_what_it_has_derived_from_data_sets(again: Call, file: Path) -> None:
    Path("store/data").mkdir(parents=True)
    Path("store/data/statistics").write_text("much work")

    assert read(file)["status"] == "done"
    assert again("--keep", "kept").code == 0
    assert not Path("kept/store/data").exists()
    assert again("--reuse", "--keep", "lent").code == 0
    assert Path("lent/store/data/statistics").read_text() == "much work"
    assert again("--reuse").code == 0
    assert Path("store/data/statistics").read_text() == "much work"


def test_what_the_file_is_too_old_to_tell_is_no_difference(again: Call, file: Path) -> None:
    old = {name: value for name, value in read(file).items() if name not in {"made", "sources", "checksum"}}
    del old["measures"]["curve"], old["environment"]["numerics"]
    write(file, old | {"checksum": digest(old)})

    ended = again()

    assert ended.code == 0
    assert ended.out.endswith(" %, bit for bit\n")


def test_what_is_computed_is_kept_where_one_says_and_never_taken_for_new(again: Call, file: Path) -> None:
    assert again("--keep", "kept", "--out", "others").code == 0
    assert read(next(Path("others").rglob("*.json")))["trial"] == read(file)["trial"]
    assert next(Path("kept/store").glob("evaluate/*/*/meta.json")).is_file()

    ended = again("--keep", "kept")

    assert ended.code == 2
    assert "--keep kept is not empty" in ended.err


def test_a_rerun_that_ended_early_goes_on_in_the_folder_that_it_kept(
    again: Call, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise UserError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("ddbench.results.write", full)
        assert again("--keep", "kept").code == 2
    before = {path: path.stat().st_mtime_ns for path in Path("kept/store").rglob("meta.json")}
    assert before

    assert again("--keep", "kept", "--reuse").code == 2  # another task
    assert again("--keep", "kept").out.endswith(" %, bit for bit\n")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not Path("kept/unfinished").exists()


def install_method(install: Call, site: Path | None, version: int, noise: float) -> Path:
    source = METHOD.replace("VERSION", str(version)).replace("NOISE", str(noise))
    if site is None:
        return Path(install("mine", "mine_plugin", source))
    (site / "mine_plugin.py").write_text(source)
    import sys

    from ddbench.plugins import discover
    from ddbench.registry import registry

    sys.modules.pop("mine_plugin", None)
    discover.cache_clear()
    registry.cache_clear()
    return site


def test_defaults_that_have_changed_since_do_not_matter_and_a_raised_version_does(
    run: Call, again: Call, install: Call
) -> None:
    site = install_method(install, None, version=1, noise=2.0)
    assert run("--seeds", "0", "--synth", "mine").code == 0

    install_method(install, site, version=1, noise=3.0)
    assert again().out.startswith("same: ")

    install_method(install, site, version=2, noise=2.0)
    ended = again()
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert "the key is another one here: synthesizer.version 1 -> 2; install what made the result (" in ended.err
    assert "mine 1.0" in ended.err


def test_a_plugin_that_is_gone_is_named_with_its_distribution(run: Call, again: Call, install: Call) -> None:
    site = install_method(install, None, version=1, noise=2.0)
    assert run("--seeds", "0", "--synth", "mine").code == 0
    shutil.rmtree(site / "mine-1.0.dist-info")
    install_method(install, site, version=1, noise=2.0)

    ended = again()

    assert ended.code == 2
    assert "unknown synthesizer 'mine'" in ended.err
    assert "it was made with mine 1.0" in ended.err


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("settings", "was edited: its key does not follow from its settings"),
        ("failed", "is of a trial that failed: it has no number to come back"),
    ],
)
def test_what_has_no_number_to_come_back_is_refused(again: Call, file: Path, edit: str, said: str) -> None:
    found = read(file)
    if edit == "settings":
        found["stages"]["evaluate"]["facts"]["seed"] += 1
        write(file, found)
    else:
        resealed(file, status="failed", measures=None, error="no memory")

    ended = again()

    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1


def test_an_edited_number_is_repeated_with_a_warning(again: Call, file: Path) -> None:
    found = read(file)
    found["measures"]["top1"] = 1.0
    write(file, found)

    ended = again()

    assert ended.code == 1
    assert "was edited since it was written" in ended.err
    assert ended.out.startswith("differs: 1.00 -> ")
