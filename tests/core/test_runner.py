"""``ddbench.run``: what it gives, what it computes, and how it fails."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ddbench
from ddbench.registry import registry
from ddbench.rows import COLUMNS
from ddbench.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from ddbench.types import Event

GRID: dict[str, Any] = {
    "synth": "toy-synth",
    "eval": "toy-net",
    "dataset": "toy",
    "ipc": 2,
    "seeds": "0-1",
    "teacher": "toy-teacher",
    "labels": "toy-labels",
    "evaluator": "toy-exam",
    "executor": "serial",
}
MOODY = '''
import os
from dataclasses import dataclass
from typing import ClassVar

from ddbench import hookimpl
from ddbench.testing.toys import ToySynth


@hookimpl
def ddbench_synthesizers():
    return {"moody": Moody}


@dataclass(frozen=True)
class Moody:
    """Fails at index 1 while MOODY is set."""

    version: ClassVar[int] = 1
    isolated: ClassVar[bool] = True
    uses_teacher: ClassVar[bool] = True

    def synthesize(self, task):
        if os.environ.get("MOODY") and task.indices == (1,):
            raise RuntimeError("in a mood")
        yield from ToySynth().synthesize(task)
'''
LISTENER = """
from ddbench import hookimpl

HEARD = []


@hookimpl
def ddbench_event(event):
    HEARD.append(event.name)
    raise ValueError("no ear for it")
"""

Run = Callable[..., "pd.DataFrame"]


class Ear:
    """Remembers the events of a run."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @ddbench.hookimpl
    def ddbench_event(self, event: Event) -> None:
        self.events.append(event)

    @property
    def computed(self) -> list[str]:
        """Kinds of the stages that were computed."""
        outcomes = [event.payload["outcome"] for event in self.events if event.name == "stage-finished"]
        return [outcome.stage.kind for outcome in outcomes if outcome.status == "done"]

    @property
    def warnings(self) -> list[str]:
        return [event.payload["message"] for event in self.events if event.name == "warning"]


@pytest.fixture
def run(toys: list[str]) -> Run:
    """Return a function that runs the toy benchmark with some options changed."""
    return lambda **changes: ddbench.run(**{**GRID, **changes})


def values(frame: pd.DataFrame, column: str, **where: str) -> set[str]:
    """Return the values of a column in the rows where other columns have the values given."""
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) > 0
    return set(frame[column])


def listen() -> Ear:
    """Hear the runs from now on; plugins must all be installed."""
    ear = Ear()
    registry().plugins.manager.register(ear, name=f"ear-{id(ear)}")
    return ear


def documents(folder: Path = Path("results")) -> dict[str, dict[str, Any]]:
    """Return the result files under a folder, by their place in it."""
    return {file.relative_to(folder).as_posix(): json.loads(file.read_text()) for file in folder.rglob("*.json")}


def numbers(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Leave out of result files what may differ between two runs: time, memory, environment."""
    chosen = ("trial", "key", "status", "error", "measures", "teacher", "bytes", "stages")
    return {place: {name: document[name] for name in chosen} for place, document in found.items()}


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def artifacts(kind: str) -> list[Path]:
    """Return the folders of one kind of the store."""
    return sorted(Path("store", kind).glob("??/*"))


def test_a_run_gives_one_row_a_trial_with_the_columns_of_load(run: Run) -> None:
    frame = run(synth="toy-synth,toy-synth[noise=9.0]", ipc="1,2")

    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 2 * 2 * 2
    assert list(frame["synthesizer"].unique()) == ["toy-synth", "toy-synth[noise=9.0]"]
    assert set(frame["status"]) == {"done"}
    assert frame["top1"].between(0, 100).all()
    assert (frame["image_bytes"] == frame["ipc"] * 3 * 8 * 8).all()  # one channel, three classes


def test_load_gives_the_frame_that_run_gave(run: Run) -> None:
    ran = run().sort_values("evaluation_seed", ignore_index=True)
    loaded = ddbench.load("results").sort_values("evaluation_seed", ignore_index=True)

    assert ran.equals(loaded)


def test_a_second_run_computes_nothing_and_rewrites_no_file(run: Run) -> None:
    first = run()
    ear = listen()
    stamps = {file: file.stat().st_mtime_ns for file in Path("results").rglob("*.json")}

    second = run()

    assert ear.computed == []
    assert second.equals(first)
    assert {file: file.stat().st_mtime_ns for file in Path("results").rglob("*.json")} == stamps


def test_a_small_ipc_after_a_large_one_synthesizes_nothing(run: Run) -> None:
    run(ipc=4)
    ear = listen()

    run(ipc=2)

    assert sorted(ear.computed) == ["evaluate", "evaluate", "relabel"]


def test_a_large_ipc_after_a_small_one_makes_only_the_images_it_adds(run: Run) -> None:
    run(ipc=2)
    ear = listen()

    run(ipc=5)

    assert ear.computed.count("synthesize") == 3
    assert "squeeze" not in ear.computed


def test_other_labels_reuse_teacher_and_images(run: Run) -> None:
    run()
    ear = listen()

    run(labels="hard")

    assert sorted(ear.computed) == ["evaluate", "evaluate", "relabel"]


def test_a_synthesizer_that_makes_all_images_at_once_prepares_once_for_every_ipc(run: Run) -> None:
    ear = listen()

    frame = run(synth="toy-joint", ipc="1,3")

    assert ear.computed.count("prepare") == 1
    assert ear.computed.count("synthesize") == 2
    assert list(frame["image_bytes"].unique()) == [1 * 3 * 64, 3 * 3 * 64]


def test_a_failed_cell_does_not_stop_the_others_and_says_why_in_its_file(run: Run) -> None:
    frame = run(synth="toy-synth[fail_at=1],toy-synth")

    assert values(frame, "status", synthesizer="toy-synth") == {"done"}
    assert values(frame, "status", synthesizer="toy-synth[fail_at=1]") == {"failed"}
    failed = [document for document in documents().values() if document["status"] == "failed"]
    assert [document["error"] for document in failed] == ["RuntimeError: told to fail at index 1"] * 2
    assert all(document["measures"] is None for document in failed)
    assert all("in synthesize" in document["traceback"] for document in failed)
    assert not any('File "/' in document["traceback"] for document in failed)


def test_run_again_tries_just_the_failed_cells(
    run: Run, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("moody", "moody_plugin", MOODY)
    monkeypatch.setenv("MOODY", "1")
    before = run(synth="moody,toy-synth")
    monkeypatch.delenv("MOODY")
    ear = listen()

    after = run(synth="moody,toy-synth")

    assert list(before["status"]) == ["failed", "failed", "done", "done"]
    assert set(after["status"]) == {"done"}
    assert sorted(ear.computed) == ["evaluate", "evaluate", "relabel", "synthesize"]  # index 1, and what waited for it
    assert len(documents()) == 4  # the failure's files were replaced
    assert all(document["error"] == "" for document in documents().values())


def test_an_exam_that_is_not_a_number_fails_its_own_cell_by_name(run: Run) -> None:
    frame = run(evaluator="toy-exam[nan=true],toy-exam")

    assert values(frame, "status", evaluator="toy-exam") == {"done"}
    assert values(frame, "status", evaluator="toy-exam[nan=true]") == {"failed"}
    assert all("measures are not finite" in error for error in values(frame, "error", evaluator="toy-exam[nan=true]"))


def test_a_teacher_at_chance_fails_every_cell_that_needs_it_with_a_hint_at_the_class_order(run: Run) -> None:
    ear = listen()

    frame = run(teacher="toy-teacher[steps=0]", synth="toy-synth,random")

    assert ear.computed.count("evaluate") == 2  # of the synthesizer that asks no teacher
    assert values(frame, "status", synthesizer="random") == {"done"}
    assert values(frame, "status", synthesizer="toy-synth") == {"failed"}
    assert all(
        "under the floor of 50.0 %" in error for error in values(frame, "error", synthesizer="toy-synth")
    )  # chance is a third
    assert all("order of class folders" in error for error in values(frame, "error", synthesizer="toy-synth"))


def test_a_reused_teacher_is_held_to_the_floor_too(run: Run) -> None:
    weak = {"teacher": "toy-teacher[steps=0]"}
    assert set(run(**weak, teacher_floor=0)["status"]) == {"done"}
    ear = listen()

    frame = run(**weak)

    assert ear.computed == []
    assert set(frame["status"]) == {"failed"}
    assert frame["error"].str.contains("under the floor").all()


def test_two_runs_into_different_stores_give_equal_numbers(run: Run) -> None:
    run(store="one", out="first", labels="toy-labels,hard")
    run(store="two", out="second", labels="toy-labels,hard")

    first, second = numbers(documents(Path("first"))), numbers(documents(Path("second")))
    assert len(first) == 4
    assert first == second


def test_pruned_images_are_not_made_again_for_an_exam_that_is_there(run: Run) -> None:
    run()
    before = documents()
    for kind in ("squeeze", "synthesize", "relabel"):
        shutil.rmtree(Path("store", kind))
    ear = listen()

    run()

    assert ear.computed == []
    assert documents() == before


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("squeeze", "*.safetensors"),
        ("synthesize", "*.safetensors"),
        ("relabel", "*.safetensors"),
        ("synthesize", "meta.json"),
        ("evaluate", "meta.json"),
    ],
)
def test_a_flipped_bit_is_told_and_that_stage_alone_is_computed_anew(run: Run, kind: str, pattern: str) -> None:
    run()
    before = numbers(documents())
    flip(next(artifacts(kind)[0].glob(pattern)))
    ear = listen()

    run()

    assert ear.computed == [kind]
    assert len(ear.warnings) == 1
    assert "computed anew" in ear.warnings[0]
    assert numbers(documents()) == before


def test_what_rotted_unseen_is_found_by_the_stage_that_will_read_it_and_by_no_other(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    before = numbers(documents())
    image = next(artifacts("synthesize")[0].glob("*.safetensors"))
    status = image.stat()
    flip(image)
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    ear = listen()

    run()
    assert ear.computed == []
    shutil.rmtree(artifacts("evaluate")[0])
    run()

    assert ear.computed == ["synthesize", "evaluate"]
    assert "computed anew" in ear.warnings[0]
    assert numbers(documents()) == before


def test_a_run_whose_stages_are_all_done_reads_no_tensors_and_takes_no_locks(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    monkeypatch.setattr("ddbench.artifact._sha256", None)
    monkeypatch.setattr(Store, "lock", None)
    ear = listen()

    run()

    assert ear.computed == []


def test_a_corrupt_image_whose_teacher_is_pruned_is_made_anew_with_its_teacher(
    run: Run, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        "pupil", "pupil_plugin", MOODY.replace('"moody"', '"pupil"').replace("yield", "task.teacher()\n        yield")
    )
    run(synth="pupil")
    before = numbers(documents())
    shutil.rmtree(Path("store", "squeeze"))
    flip(next(artifacts("synthesize")[0].glob("*.safetensors")))

    monkeypatch.setattr("ddbench.bench._teachers", {})  # as in a new process

    frame = run(synth="pupil")

    assert set(frame["status"]) == {"done"}
    assert numbers(documents()) == before


def test_a_listener_that_raises_is_left_out_with_one_warning_and_the_run_goes_on(
    run: Run, install: Callable[..., Path]
) -> None:
    install("grumpy", "grumpy_listener", LISTENER)
    ear = listen()

    frame = run()

    import grumpy_listener  # type: ignore[import-not-found]  # written by this test

    assert set(frame["status"]) == {"done"}
    assert grumpy_listener.HEARD == ["run-started"]
    assert ear.warnings == ["listener 'grumpy' failed and is left out: ValueError: no ear for it"]


def test_listeners_hear_each_stage_start_and_finish_between_the_ends_of_the_run(run: Run) -> None:
    ear = listen()

    run()

    names = [event.name for event in ear.events]
    assert (names[0], names[-1]) == ("run-started", "run-finished")
    assert names.count("stage-started") == names.count("stage-finished") == 6  # a teacher, 2 images, labels, 2 students
    assert len(ear.events[0].payload["stages"]) == 6


def test_a_benchmark_file_says_what_and_arguments_override_it(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    file.write_text('name = "grid"\nseeds = "0-4"\nipc = [1, 3]\n')

    frame = ddbench.run(
        benchmark=file, **{name: value for name, value in GRID.items() if name not in {"ipc", "seeds"}}, seeds=7
    )

    assert list(frame["ipc"]) == [1, 3]
    assert set(frame["evaluation_seed"]) == {7}
    assert {document["benchmark"] for document in documents().values()} == {"grid"}


def test_an_unknown_argument_is_refused_by_name_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ddbench.UserError, match=r"run\(synht=\.\.\.\) is not known; did you mean 'synth'\?"):
        ddbench.run(synht="toy-synth")

    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "store").exists()


def test_no_artifact_is_half_written(run: Run) -> None:
    run(synth="toy-synth[fail_at=1],toy-synth")

    assert list(Path("store", "drafts").iterdir()) == []
    assert all(artifact.verify()["key"] == artifact.key for artifact in Store(Path("store")).artifacts())


def test_a_plugin_of_a_single_module_works(run: Run, install: Callable[..., Path]) -> None:
    source = MOODY.replace("return {", 'return {"named": "single_module:Moody", ')
    install("single", "single_module", source)

    assert set(run(synth="named")["status"]) == {"done"}


def test_a_parameter_without_a_default_is_given_by_the_user_and_shown(run: Run, install: Callable[..., Path]) -> None:
    source = MOODY.replace("    def synthesize", "    strength: float\n\n    def synthesize").replace(
        '"moody"', '"needy"'
    )
    install("needy", "needy_plugin", source)

    frame = run(synth="needy[strength=2.0]")

    assert set(frame["synthesizer"]) == {"needy[strength=2.0]"}
    assert set(frame["status"]) == {"done"}
    with pytest.raises(ddbench.UserError, match=r"'needy'.*strength"):
        run(synth="needy")


def test_listeners_hear_of_each_trial_once_its_file_is_written(run: Run) -> None:
    ear = listen()

    run()
    run()

    told = [event.payload["result"] for event in ear.events if event.name == "trial-finished"]
    written = sorted(documents().values(), key=lambda document: document["trial"]["evaluation_seed"])
    assert sorted(told[:2], key=lambda document: document["trial"]["evaluation_seed"]) == written
    assert sorted(told[2:], key=lambda document: document["trial"]["evaluation_seed"]) == written


# ------------------------------------------------------------------------------------- what cannot be read


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of an empty store in memory."""
    pytest.importorskip("fsspec", reason="needs fsspec")
    monkeypatch.setenv("DDBENCH_CACHE", str(tmp_path / "copies"))
    monkeypatch.setattr("ddbench.bench._teachers", {})  # as in a new process
    return f"memory://{tmp_path.name}/store"


def rot(url: str, kind: str) -> str:
    """Change a byte of an artifact of a store in memory, of which there is no copy here; returns its key."""
    import fsspec

    files, root = fsspec.filesystem("memory"), url.removeprefix("memory:/")
    key = Path(sorted(files.find(f"{root}/artifacts/{kind}"))[0]).stem
    for path in files.find(f"{root}/data/{key}"):
        content = files.cat_file(path)
        files.pipe_file(path, content[:-1] + bytes([content[-1] ^ 1]))
    shutil.rmtree("copies")
    return key


@pytest.mark.parametrize("kind", ["synthesize", "relabel"])
def test_what_a_store_elsewhere_holds_corrupt_is_told_and_computed_anew_by_the_run_that_reads_it(
    run: Run, elsewhere: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    run(store=elsewhere)
    before = numbers(documents())
    key = rot(elsewhere, kind)
    monkeypatch.setattr("ddbench.bench._teachers", {})
    ear = listen()

    frame = run(store=elsewhere, labels="toy-labels,hard", seeds="0-2")

    assert set(frame["status"]) == {"done"}
    assert ear.computed.count(kind) == 1 + (kind == "relabel")  # it, and the hard labels
    assert any("computed anew" in line and key[:8] in line for line in ear.warnings), ear.warnings
    assert "trial-finished" not in [event.name for event in ear.events if event.payload.get("result", {}).get("error")]
    after = numbers(documents())
    assert {place: after[place] for place in before} == before
    assert len([event for event in ear.events if event.name == "run-started"]) == 1


def test_what_rots_while_a_run_computes_is_told_and_computed_anew_by_the_same_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ddbench import stages

    compute = stages._compute

    def rotting(stage: Any, *rest: Any) -> Any:
        if stage.kind == "evaluate" and not Path("rotten").exists():
            Path("rotten").touch()
            flip(next(artifacts("synthesize")[0].glob("*.safetensors")))
        return compute(stage, *rest)

    monkeypatch.setattr(stages, "_compute", rotting)
    ear = listen()

    frame = run()

    assert set(frame["status"]) == {"done"}
    assert sorted(ear.computed) == ["evaluate", "evaluate", "relabel", "squeeze", *["synthesize"] * 3]
    assert len(documents()) == 2


def test_what_cannot_be_read_a_second_time_fails_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from ddbench import stages

    compute = stages._compute

    def rotting(stage: Any, *rest: Any) -> Any:
        if stage.kind == "evaluate":
            flip(next(artifacts("synthesize")[0].glob("*.safetensors")))
        return compute(stage, *rest)

    monkeypatch.setattr(stages, "_compute", rotting)
    ear = listen()

    frame = run(seeds=0)

    assert frame["status"].tolist() == ["failed"]
    [error] = frame["error"]
    assert "does not match its checksum" in error
    assert "run again" in error
    assert ear.computed.count("synthesize") == 3


def test_a_failure_and_what_waited_for_it_are_not_tried_again_because_something_else_could_not_be_read(
    run: Run, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ddbench import stages

    install("moody", "moody_plugin", MOODY)
    monkeypatch.setenv("MOODY", "1")
    compute = stages._compute
    seen: list[str] = []

    def rotting(stage: Any, *rest: Any) -> Any:
        seen.append(stage.label)
        if stage.kind == "evaluate" and not Path("rotten").exists():
            Path("rotten").touch()
            flip(next(artifacts("relabel")[0].glob("*.safetensors")))
        return compute(stage, *rest)

    monkeypatch.setattr(stages, "_compute", rotting)

    frame = run(synth="moody,toy-synth", seeds=0)

    assert values(frame, "status", synthesizer="moody") == {"failed"}
    assert values(frame, "status", synthesizer="toy-synth") == {"done"}
    assert sum("moody" in label for label in seen) == 2


def test_a_damaged_result_file_is_written_anew_though_what_it_cost_is_pruned(run: Run) -> None:
    run()
    shutil.rmtree(Path("store", "squeeze"))
    damaged, other = sorted(Path("results").rglob("*.json"))
    before = other.read_bytes()
    damaged.write_text('{"schema": 1, "tri')

    frame = run()

    assert set(frame["status"]) == {"done"}
    assert json.loads(damaged.read_text())["status"] == "done"
    assert other.read_bytes() == before
