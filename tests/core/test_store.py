from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import Timeout
from safetensors import SafetensorError

from ddbench import frames
from ddbench.artifact import Artifact, Draft, closed, opened
from ddbench.errors import CorruptArtifactError, UserError
from ddbench.location import default_location
from ddbench.store import Store, _can_lock, require_writable

KEY = "ab" * 32
TENSORS = {"images": torch.arange(12, dtype=torch.uint8).view(3, 4), "labels": torch.tensor([0, 2, 1])}
META = {"kind": "synthesize", "result": {"bytes": 12, "top1": 45.5}, "inputs": {"teacher": "cd" * 32}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def artifact(store: Store) -> Artifact:
    """Commit an artifact of two files of tensors."""
    draft = store.draft(KEY)
    draft.save("batch-00000", TENSORS)
    draft.save("batch-00001", TENSORS)
    store.commit(draft, "synthesize", KEY, META)
    return store.artifact("synthesize", KEY)


def drafts(store: Store) -> list[Path]:
    return list((store.root / "drafts").iterdir())


def test_a_draft_is_invisible_until_it_is_committed(store: Store) -> None:
    draft = store.draft(KEY)
    draft.save("batch-00000", TENSORS)
    assert not store.has("synthesize", KEY)
    assert list(store.artifacts()) == []
    store.commit(draft, "synthesize", KEY, META)
    assert store.has("synthesize", KEY)
    assert [(found.kind, found.key) for found in store.artifacts()] == [("synthesize", KEY)]
    assert drafts(store) == []


def test_what_was_committed_is_read_back(store: Store, artifact: Artifact) -> None:
    read = artifact.tensors("batch-00001")
    assert read.keys() == TENSORS.keys()
    assert all(torch.equal(read[name], value) and read[name].dtype == value.dtype for name, value in TENSORS.items())
    assert {name: artifact.verify()[name] for name in META} == META
    assert artifact.nbytes == sum(len(file.read_bytes()) for file in artifact.folder.iterdir())


def test_strided_tensors_are_stored_by_value(store: Store) -> None:
    strided = torch.arange(24.0).view(1, 2, 3, 4).to(memory_format=torch.channels_last)
    draft = store.draft(KEY)
    draft.save("weights", {"strided": strided, "turned": torch.arange(6.0).view(2, 3).T})
    store.commit(draft, "squeeze", KEY, {})
    read = store.artifact("squeeze", KEY).tensors("weights")
    assert torch.equal(read["strided"], strided)
    assert torch.equal(read["turned"], torch.tensor([[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]))


def test_commit_returns_the_meta_as_it_will_be_read(store: Store) -> None:
    draft = store.draft(KEY)
    committed = store.commit(draft, "evaluate", KEY, {"curve": ({"epoch": 1},)})
    assert committed == store.artifact("evaluate", KEY).meta() == {"curve": [{"epoch": 1}], "files": {}}


def test_a_glance_reads_no_tensors_unless_a_file_was_changed_after_the_meta(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr("ddbench.artifact._sha256", lambda path: read.append(path.name))
    meta = artifact.glance()
    assert (meta, read) == (artifact.meta(), [])
    file = artifact.folder / "batch-00001.safetensors"
    later = (artifact.folder / "meta.json").stat().st_mtime_ns + 10**6
    os.utime(file, ns=(later, later))
    with pytest.raises(CorruptArtifactError):
        artifact.glance()
    assert read


@pytest.mark.parametrize("harm", ["shorter", "missing", "edited"])
def test_a_glance_sees_a_file_that_is_not_what_was_written(artifact: Artifact, harm: str) -> None:
    file = artifact.folder / "batch-00001.safetensors"
    content, status = file.read_bytes(), file.stat()
    file.unlink()
    if harm == "shorter":
        file.write_bytes(content[:-1])
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif harm == "edited":
        later = (artifact.folder / "meta.json").stat().st_mtime_ns + 10**6
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        os.utime(file, ns=(later, later))
    with pytest.raises(CorruptArtifactError):
        artifact.glance()


@pytest.mark.parametrize("name", ["meta.json", "batch-00000.safetensors", "batch-00001.safetensors"])
def test_a_flipped_bit_in_any_byte_of_any_file_is_found(artifact: Artifact, name: str) -> None:
    file = artifact.folder / name
    sound = file.read_bytes()
    for position in range(len(sound)):
        file.write_bytes(sound[:position] + bytes([sound[position] ^ 1]) + sound[position + 1 :])
        with pytest.raises(CorruptArtifactError):
            artifact.verify()
    file.write_bytes(sound)
    artifact.verify()


def test_a_flipped_byte_is_found_when_tensors_are_loaded(artifact: Artifact) -> None:
    file = artifact.folder / "batch-00000.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 255]))
    with pytest.raises(CorruptArtifactError, match="batch-00000"):
        artifact.tensors("batch-00000")
    assert torch.equal(artifact.tensors("batch-00001")["labels"], TENSORS["labels"])


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "[1]", "3", '"text"', "{}", '{"checksum": "0"}', "\udc80"])
def test_a_meta_that_is_no_meta_is_corrupt(artifact: Artifact, text: str) -> None:
    (artifact.folder / "meta.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CorruptArtifactError):
        artifact.verify()


def test_a_truncated_meta_is_corrupt(artifact: Artifact) -> None:
    file = artifact.folder / "meta.json"
    content = file.read_bytes()
    for length in (1, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(CorruptArtifactError):
            artifact.meta()


def test_a_number_too_large_for_a_float_in_a_meta_is_corrupt(artifact: Artifact) -> None:
    file = artifact.folder / "meta.json"
    file.write_text(file.read_text().replace("45.5", "45e555"))
    with pytest.raises(CorruptArtifactError):
        artifact.meta()


def test_a_missing_file_of_tensors_is_corrupt(artifact: Artifact) -> None:
    (artifact.folder / "batch-00001.safetensors").unlink()
    with pytest.raises(CorruptArtifactError, match="batch-00001"):
        artifact.verify()


def test_a_file_that_the_meta_does_not_know_is_not_loaded(artifact: Artifact) -> None:
    known = artifact.folder / "batch-00000.safetensors"
    (artifact.folder / "stranger.safetensors").write_bytes(known.read_bytes())
    with pytest.raises(CorruptArtifactError, match="stranger"):
        artifact.tensors("stranger")


def test_a_place_that_lost_its_meta_can_be_filled_again(store: Store, artifact: Artifact) -> None:
    (artifact.folder / "meta.json").unlink()
    assert not store.has("synthesize", KEY)
    draft = store.draft(KEY)
    draft.save("weights", TENSORS)
    store.commit(draft, "synthesize", KEY, META)
    assert sorted(file.name for file in artifact.folder.iterdir()) == ["meta.json", "weights.safetensors"]
    artifact.verify()


def test_what_a_killed_process_left_is_swept_by_the_next_draft_of_the_key(store: Store) -> None:
    left, others = store.draft(KEY), store.draft("cd" * 32)
    left.save("batch-00000", TENSORS)
    fresh = store.draft(KEY)
    assert sorted(drafts(store)) == sorted([others.folder, fresh.folder])
    assert list(fresh.folder.iterdir()) == []


def test_drafts_of_another_machine_are_left_alone_until_they_are_old(store: Store) -> None:
    folder = store.root / "drafts"
    young, old = folder / f"{KEY}.another.1", folder / f"{KEY}.another.2"
    for draft in (young, old):
        draft.mkdir(parents=True)
    os.utime(old, (0, time.time() - 2 * 24 * 3600))
    fresh = store.draft(KEY)
    assert sorted(drafts(store)) == sorted([young, fresh.folder])


def test_of_two_whose_locks_do_not_reach_each_other_the_first_wins(store: Store) -> None:
    second = store.draft(KEY)
    second.save("batch-00000", {name: value + 1 for name, value in TENSORS.items()})
    first = Draft(store.root, second.folder.with_name(f"{KEY}.another.1"))
    first.folder.mkdir()
    first.save("batch-00000", TENSORS)
    won = store.commit(first, "synthesize", KEY, META)
    assert store.commit(second, "synthesize", KEY, {**META, "result": {"top1": 1.0}}) == won
    assert torch.equal(store.artifact("synthesize", KEY).tensors("batch-00000")["images"], TENSORS["images"])
    assert drafts(store) == []


def test_an_artifact_that_was_corrupt_gives_way(store: Store, artifact: Artifact) -> None:
    (artifact.folder / "batch-00001.safetensors").write_bytes(b"")
    draft = store.draft(KEY)
    draft.save("weights", TENSORS)
    store.commit(draft, "synthesize", KEY, META)
    assert sorted(artifact.verify()["files"]) == ["weights.safetensors"]
    assert drafts(store) == []


def test_a_sound_artifact_outlives_who_found_one_before_it_corrupt(store: Store, artifact: Artifact) -> None:
    store.remove_corrupt("synthesize", KEY)
    assert artifact.verify()["kind"] == "synthesize"
    assert drafts(store) == []
    (artifact.folder / "meta.json").write_text("{}")
    store.remove_corrupt("synthesize", KEY)
    assert not store.has("synthesize", KEY)


def test_where_a_file_system_knows_no_locks_processes_of_this_machine_still_meet(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddbench.store._can_lock", lambda folder: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with store.lock(KEY), pytest.raises(Timeout):
        Store(store.root.absolute()).lock(KEY).acquire(blocking=False)
    assert list((store.root / "locks").iterdir()) == []
    assert len(list((tmp_path / "temporary").rglob(KEY))) == 1


def test_a_file_system_without_locks_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl", reason="Windows locks by other means")
    assert _can_lock.__wrapped__(tmp_path)

    def refuse(*args: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert not _can_lock.__wrapped__(tmp_path)


def test_a_disk_that_fills_up_is_told_in_one_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*args: Any, **options: Any) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    draft = store.draft(KEY)
    monkeypatch.setattr("safetensors.torch.save_file", fill)
    with pytest.raises(UserError, match=r"store cannot be written: No space left on device.*; mend that") as caught:
        draft.save("batch-00000", TENSORS)
    assert "\n" not in str(caught.value)

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="store cannot be written: No space left on device; mend that"):
        store.commit(draft, "synthesize", KEY, META)
    assert not store.has("synthesize", KEY)


def test_a_discarded_draft_leaves_nothing(store: Store) -> None:
    draft = store.draft(KEY)
    draft.save("batch-00000", TENSORS)
    store.discard(draft)
    assert drafts(store) == []


def test_a_removed_artifact_is_gone_and_removing_it_again_is_no_error(store: Store, artifact: Artifact) -> None:
    for _ in range(2):
        store.remove("synthesize", KEY)
        assert not store.has("synthesize", KEY)
        assert not artifact.folder.exists()
        assert drafts(store) == []


def test_artifacts_come_sorted_by_kind_and_key(store: Store) -> None:
    keys = ["ff" * 32, "0a" * 32, "0b" * 32]
    for kind, key in [("squeeze", keys[0]), ("evaluate", keys[2]), ("evaluate", keys[1])]:
        store.commit(store.draft(key), kind, key, {})
    found = [(artifact.kind, artifact.key) for artifact in store.artifacts()]
    assert found == [("evaluate", keys[1]), ("evaluate", keys[2]), ("squeeze", keys[0])]


def test_two_processes_that_want_one_key_compute_it_once(store: Store, tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import os, time
        from pathlib import Path
        from ddbench.store import Store
        store, ready = Store(Path({str(store.root)!r})), Path({str(tmp_path)!r})
        (ready / f"ready-{{os.getpid()}}").touch()
        while not (ready / "go").exists():
            time.sleep(0.005)
        with store.lock({KEY!r}):
            if store.has("squeeze", {KEY!r}):
                print("reused")
            else:
                draft = store.draft({KEY!r})
                time.sleep(0.3)
                store.commit(draft, "squeeze", {KEY!r}, {{}})
                print("done")
    """)
    rivals = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("ready-*"))) < 2:
        assert time.monotonic() < deadline
        assert [rival.poll() for rival in rivals] == [None, None]
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert sorted(rival.communicate(timeout=60)[0].strip() for rival in rivals) == ["done", "reused"]


def test_the_lock_of_a_killed_process_is_free(store: Store) -> None:
    code = textwrap.dedent(f"""
        import os
        from pathlib import Path
        from ddbench.store import Store
        Store(Path({str(store.root)!r})).lock({KEY!r}).acquire()
        os._exit(9)
    """)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    with store.lock(KEY).acquire(timeout=5):
        assert not store.has("squeeze", KEY)


def test_a_store_under_a_file_is_refused_in_one_line_that_names_the_options(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file" / "x" / "store")
    with pytest.raises(UserError) as caught:
        store.require_writable()
    message = str(caught.value)
    assert str(store.root) in message
    assert "--store or DDBENCH_STORE" in message
    assert "\n" not in message


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UserError, match="cannot be written"):
            require_writable(tmp_path / "new", "the results folder", "--out")
    finally:
        tmp_path.chmod(0o700)


def test_a_place_that_may_not_be_looked_at_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    store = Store(tmp_path / "of" / "others")
    for name in ("exists", "is_file"):
        monkeypatch.setattr(Path, name, denied)
    with pytest.raises(UserError, match="others cannot be written: Permission denied"):
        store.require_writable()
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        store.has("squeeze", KEY)
    with pytest.raises(UserError, match="others cannot be read: Permission denied"):
        frames.load(tmp_path / "of" / "others")


def test_what_one_stores_the_others_of_a_group_read_as_the_umask_says(store: Store) -> None:
    before = os.umask(0o002)
    try:
        draft = store.draft(KEY)
        draft.save("weights", TENSORS)
        store.commit(draft, "squeeze", KEY, {})
    finally:
        os.umask(before)
    folder = store.artifact("squeeze", KEY).folder
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == {
        "meta.json": 0o664,
        "weights.safetensors": 0o664,
    }


def test_asking_whether_a_folder_can_be_written_makes_nothing(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b", "the results folder", "--out")
    assert list(tmp_path.iterdir()) == []


def test_the_store_lies_where_the_variable_says_else_in_the_user_s_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DDBENCH_STORE", "~/deep/store")
    assert default_location() == tmp_path / "deep" / "store"
    monkeypatch.setenv("DDBENCH_STORE", "")
    cache = default_location()
    monkeypatch.delenv("DDBENCH_STORE")
    assert default_location() == cache
    assert isinstance(cache, Path)
    assert cache.parts[-2:] == ("ddbench", "store")


def test_a_meta_names_size_and_checksum_of_every_file(artifact: Artifact) -> None:
    files = json.loads((artifact.folder / "meta.json").read_text())["files"]
    assert files.keys() == {"batch-00000.safetensors", "batch-00001.safetensors"}
    assert all((artifact.folder / name).stat().st_size == file["bytes"] for name, file in files.items())


def test_an_old_draft_goes_unless_its_stage_still_runs(store: Store) -> None:
    draft = store.draft(KEY)
    os.utime(draft.folder, (0, 0))
    with store.lock(KEY):
        assert store.sweep(time.time()) == 0
        draft.save("weights", TENSORS)  # after days of training
    os.utime(draft.folder / "weights.safetensors", (0, 0))
    os.utime(draft.folder, (0, 0))
    assert store.sweep(time.time()) == 1
    assert drafts(store) == []


@pytest.mark.parametrize("name", ["meta.json", "batch-00000.safetensors"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.ESTALE])
def test_what_cannot_be_read_just_now_is_told_and_neither_corrupt_nor_removed(
    store: Store, artifact: Artifact, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    whole = Path.open

    def failing(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == name:
            raise OSError(number, os.strerror(number), str(path))
        return whole(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", failing)
        for read in (artifact.verify, lambda: artifact.tensors("batch-00000")):
            with pytest.raises(UserError, match=rf"{name} cannot be read: {os.strerror(number)}; mend that"):
                read()
        store.remove_corrupt("synthesize", KEY)
    assert artifact.verify()["kind"] == "synthesize"


def test_a_sector_that_cannot_be_read_is_corrupt(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(path: Path, *args: Any, **options: Any) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(Path, "open", failing)
    with pytest.raises(CorruptArtifactError):
        artifact.verify()


@pytest.mark.parametrize(
    "files",
    [
        {"../../../evil": {"sha256": "0", "bytes": 1}},
        {"/evil": {"sha256": "0", "bytes": 1}},
        {"..": {"sha256": "0", "bytes": 1}},
        {"": {"sha256": "0", "bytes": 1}},
        {"x": {"bytes": 1}},
        {"x": {"sha256": "0", "bytes": "1"}},
        {"x": None},
        ["x"],
        None,
    ],
)
def test_a_meta_whose_files_are_none_of_its_folder_s_is_corrupt(files: Any) -> None:
    with pytest.raises(CorruptArtifactError, match="its files"):
        opened(closed({"files": files}), "meta")


def test_a_meta_nested_too_deeply_is_corrupt(artifact: Artifact) -> None:
    (artifact.folder / "meta.json").write_text("[" * 10**5)
    with pytest.raises(CorruptArtifactError):
        artifact.meta()


def test_an_artifact_that_has_just_gone_has_no_bytes_and_no_age(store: Store, artifact: Artifact) -> None:
    [listed] = store.artifacts()
    store.remove("synthesize", KEY)
    assert listed.nbytes == 0
    assert not listed.changed < time.time()
