from __future__ import annotations

import copy
import hashlib
import json
import pickle
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import torch

from ddbench.artifact import closed
from ddbench.errors import CorruptArtifactError, UserError
from ddbench.remote.store import RemoteStore
from ddbench.store import Store, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from ddbench.artifact import Artifact
    from ddbench.location import Address
    from ddbench.remote.commits import Commit

fsspec = pytest.importorskip("fsspec", reason="needs fsspec")

KEY, OTHER = "ab" * 32, "cd" * 32
TENSORS = {"images": torch.arange(12, dtype=torch.uint8).view(3, 4), "labels": torch.tensor([0, 2, 1])}
META = {"kind": "synthesize", "result": {"bytes": 12, "top1": 45.5}, "inputs": {"teacher": OTHER}}


@pytest.fixture
def machines(memory: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[RemoteStore]:
    """Return a store as two machines see it: each with a copy of its own."""

    def machine(name: str) -> RemoteStore:
        monkeypatch.setenv("DDBENCH_CACHE", str(tmp_path / name))
        return RemoteStore(memory, patience=0.0)

    return [machine("first"), machine("second")]


def commit(store: Any, key: str = KEY, tensors: dict[str, Any] = TENSORS, **meta: Any) -> dict[str, Any]:
    draft = store.draft(key)
    draft.save("batch-00000", tensors)
    return dict(store.commit(draft, "synthesize", key, {**META, **meta}))


def objects(address: Address) -> dict[str, bytes]:
    files = fsspec.filesystem("memory")
    root = address.url.removeprefix("memory:/")
    return {path.removeprefix(f"{root}/"): files.cat_file(path) for path in files.find(root)}


def overwrite(address: Address, name: str, content: bytes, *, old: bool = False) -> None:
    files, path = fsspec.filesystem("memory"), f"{address.url.removeprefix('memory:/')}/{name}"
    files.pipe_file(path, content)
    if old:
        files.store[path].created = datetime(2020, 1, 1, tzinfo=UTC)


def data_of(address: Address) -> list[str]:
    return [name for name in objects(address) if name.startswith("data/")]


def test_what_one_machine_commits_another_reads(machines: list[RemoteStore]) -> None:
    first, second = machines
    committed = commit(first)
    assert second.has("synthesize", KEY)
    assert second.find("synthesize", KEY) == committed == second.artifact("synthesize", KEY).meta()
    read = second.artifact("synthesize", KEY).tensors("batch-00000")
    assert all(torch.equal(read[name], value) for name, value in TENSORS.items())
    assert (second.artifact("synthesize", KEY).folder / "meta.json").read_bytes() == (
        first.near.artifact("synthesize", KEY).folder / "meta.json"
    ).read_bytes()


def test_what_was_fetched_is_not_fetched_again(machines: list[RemoteStore], memory: Address) -> None:
    commit(machines[0])
    machines[1].artifact("synthesize", KEY).tensors("batch-00000")
    [data] = data_of(memory)
    overwrite(memory, data, b"")
    assert machines[1].artifact("synthesize", KEY).tensors("batch-00000").keys() == TENSORS.keys()


def test_data_is_uploaded_first_and_the_meta_commits_it(machines: list[RemoteStore], memory: Address) -> None:
    store = machines[0]
    store._commits.create = lambda name, commit: 1 / 0  # type: ignore[assignment, method-assign, return-value]
    with pytest.raises(ZeroDivisionError):
        commit(store)
    assert len(data_of(memory)) == 1
    assert not machines[1].has("synthesize", KEY)
    assert list(machines[1].artifacts()) == []


def test_of_two_who_finish_one_key_the_first_wins_and_the_other_takes_its_work(
    machines: list[RemoteStore], memory: Address
) -> None:
    first, second = machines
    loser = second.draft(KEY)
    loser.save("batch-00000", {name: value + 1 for name, value in TENSORS.items()})
    won = commit(first)
    before = objects(memory)
    assert second.commit(loser, "synthesize", KEY, {**META, "result": {"top1": 1.0}}) == won
    assert objects(memory) == before
    assert torch.equal(second.artifact("synthesize", KEY).tensors("batch-00000")["images"], TENSORS["images"])


def test_of_two_who_commit_at_the_same_moment_the_first_wins_and_the_other_clears_up(
    machines: list[RemoteStore], memory: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = machines
    upload, told = second._upload, []

    def late(copy: Artifact, commit_: Commit) -> bool:
        told.append(commit(first, result={"top1": 99.0}))
        return upload(copy, commit_)

    monkeypatch.setattr(second, "_upload", late)
    assert commit(second) == told[0]
    assert len(data_of(memory)) == 1
    assert machines[0].artifact("synthesize", KEY).verify() == told[0]


def test_a_store_that_does_not_answer_costs_no_work_and_the_next_run_uploads_it(
    machines: list[RemoteStore], memory: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = machines[0]

    def cut(*args: Any, **options: Any) -> None:
        raise ConnectionError("connection reset")

    with monkeypatch.context() as patch:
        patch.setattr(store._objects._files, "put_file", cut)
        with pytest.raises(UserError) as caught:
            commit(store)
    message = str(caught.value)
    assert str(memory) in message
    assert "connection reset" in message
    assert "kept here and uploaded then" in message
    assert "\n" not in message
    assert not machines[1].has("synthesize", KEY)
    assert store.has("synthesize", KEY)

    names = [("synthesize", KEY), ("squeeze", OTHER)]
    assert store.present(names) == {("synthesize", KEY)}
    assert machines[1].present(names) == set()
    store.find("synthesize", KEY)
    assert machines[1].find("synthesize", KEY) == store.find("synthesize", KEY)
    assert store.cache.pending() == []


def test_what_waits_for_its_upload_is_dropped_if_it_has_become_corrupt(machines: list[RemoteStore]) -> None:
    store = machines[0]
    store.cache.mark("synthesize", KEY)
    draft = store.draft(KEY)
    draft.save("batch-00000", TENSORS)
    store.near.commit(draft, "synthesize", KEY, META)
    (store.near.artifact("synthesize", KEY).folder / "batch-00000.safetensors").write_bytes(b"")
    assert store.find("synthesize", KEY) is None
    assert store.cache.pending() == []
    assert not store.has("synthesize", KEY)


def test_a_corrupt_copy_is_fetched_once_more(machines: list[RemoteStore]) -> None:
    commit(machines[0])
    artifact = machines[1].artifact("synthesize", KEY)
    file = artifact.folder / "batch-00000.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    assert torch.equal(artifact.tensors("batch-00000")["images"], TENSORS["images"])
    artifact.verify()


def test_data_that_is_corrupt_in_the_store_is_told_and_leaves_it(machines: list[RemoteStore], memory: Address) -> None:
    commit(machines[0])
    [data] = data_of(memory)
    overwrite(memory, data, objects(memory)[data][:-1] + b"?")
    with pytest.raises(CorruptArtifactError, match=rf"{KEY} in memory://.* does not match its checksums"):
        machines[1].artifact("synthesize", KEY).tensors("batch-00000")
    assert not machines[1].has("synthesize", KEY)
    assert objects(memory) == {}
    assert machines[0].find("synthesize", KEY) is None
    assert not machines[0].near.has("synthesize", KEY)  # what it still had was of what is deleted


def test_data_that_is_missing_in_the_store_is_told_and_leaves_it(machines: list[RemoteStore], memory: Address) -> None:
    commit(machines[0])
    [data] = data_of(memory)
    fsspec.filesystem("memory").rm_file(f"{memory.url.removeprefix('memory:/')}/{data}")
    with pytest.raises(CorruptArtifactError, match="is missing"):
        machines[1].artifact("synthesize", KEY).tensors("batch-00000")
    assert not machines[1].has("synthesize", KEY)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"data": "x"}', b'{"data": "x", "meta": {}}', b"\xff"]
)
def test_a_commit_that_is_none_is_corrupt(machines: list[RemoteStore], memory: Address, content: bytes) -> None:
    commit(machines[0])
    overwrite(memory, f"artifacts/synthesize/{KEY}.json", content)
    with pytest.raises(CorruptArtifactError):
        machines[1].find("synthesize", KEY)
    machines[1].remove_corrupt("synthesize", KEY)
    assert machines[1].find("synthesize", KEY) is None


def test_a_sound_commit_outlives_who_found_one_before_it_corrupt(machines: list[RemoteStore]) -> None:
    commit(machines[0])
    machines[1].remove_corrupt("synthesize", KEY)
    assert machines[1].has("synthesize", KEY)


@pytest.mark.parametrize("few", [0, 100])
def test_many_are_asked_for_at_once(machines: list[RemoteStore], monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr("ddbench.remote.store._FEW", few)
    first, second = machines
    metas = {key: commit(first, key) for key in (KEY, OTHER)}
    second.artifact("synthesize", KEY).tensors("batch-00000")  # of this one there is a copy already
    absent = ("synthesize", "ef" * 32)
    assert second.present([("synthesize", KEY), absent, ("synthesize", OTHER)]) == {
        ("synthesize", key) for key in metas
    }
    monkeypatch.setattr(second._objects, "read_many", lambda names: 1 / 0)
    assert {key: second.find("synthesize", key) for key in metas} == metas


def test_artifacts_are_listed_with_their_bytes(machines: list[RemoteStore], memory: Address) -> None:
    for key in (OTHER, KEY):
        commit(machines[0], key)
    listed = list(machines[1].artifacts())
    assert [(artifact.kind, artifact.key) for artifact in listed] == [("synthesize", KEY), ("synthesize", OTHER)]
    assert sum(artifact.nbytes for artifact in listed) == sum(map(len, objects(memory).values()))
    assert all(abs(artifact.changed - time.time()) < 60 for artifact in listed)


def test_the_bytes_of_an_artifact_are_known_without_a_listing(machines: list[RemoteStore]) -> None:
    commit(machines[0])
    file = machines[0].near.artifact("synthesize", KEY).folder / "batch-00000.safetensors"
    assert machines[1].artifact("synthesize", KEY).nbytes > file.stat().st_size


def test_data_that_no_meta_names_is_swept_when_it_is_old(machines: list[RemoteStore], memory: Address) -> None:
    commit(machines[0])
    kept = set(objects(memory))
    for orphan in (f"data/{KEY}/20200101T000000Z-1/x", f"data/{OTHER}/20200101T000000Z-2/x", f"data/{OTHER}/strange/x"):
        overwrite(memory, orphan, b"x", old=True)
    young = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    overwrite(memory, f"data/{OTHER}/{young}-3/x", b"x")
    assert machines[1].sweep(time.time() - 3600) == 2
    assert set(objects(memory)) == kept | {f"data/{OTHER}/{young}-3/x", f"data/{OTHER}/strange/x"}
    assert machines[1].sweep(time.time() + 3600) == 1
    assert set(objects(memory)) == kept | {f"data/{OTHER}/strange/x"}


def test_a_removed_artifact_is_gone_everywhere_and_removing_it_again_is_no_error(
    machines: list[RemoteStore], memory: Address
) -> None:
    commit(machines[0])
    machines[1].artifact("synthesize", KEY).tensors("batch-00000")
    for _ in range(2):
        machines[0].remove("synthesize", KEY)
        assert objects(memory) == {}
    assert machines[1].find("synthesize", KEY) is None
    assert not machines[1].near.has("synthesize", KEY)


def test_asking_whether_a_store_can_be_written_leaves_nothing_in_it(
    machines: list[RemoteStore], memory: Address
) -> None:
    machines[0].require_writable()
    assert objects(memory) == {}


def test_a_store_that_cannot_be_written_is_refused_in_one_line(
    machines: list[RemoteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(machines[0]._objects._files, "pipe_file", refuse)
    with pytest.raises(UserError, match=r"memory://.* refuses: PermissionError: Access Denied"):
        machines[0].require_writable()


def test_a_store_passes_between_processes_as_its_address(memory: Address) -> None:
    again = pickle.loads(pickle.dumps(memory))  # noqa: S301 - our own bytes
    assert again == memory
    assert isinstance(open_store(again), RemoteStore)


def test_a_folder_is_a_folder_store(tmp_path: Path) -> None:
    assert isinstance(open_store(tmp_path), Store)


def commit_of(address: Address, **changes: Any) -> dict[str, Any]:
    """Return what commits the artifact, parts of its meta replaced and sealed anew."""
    found = json.loads(objects(address)[f"artifacts/synthesize/{KEY}.json"])
    meta = {name: value for name, value in found["meta"].items() if name != "checksum"} | changes
    return {**found, "meta": json.loads(closed(meta))}


def test_a_strangers_store_writes_nothing_outside_of_the_copy(
    machines: list[RemoteStore], memory: Address, tmp_path: Path
) -> None:
    commit(machines[0])
    name = "../../../../evil"
    found = commit_of(memory, files={name: {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}})
    overwrite(memory, f"artifacts/synthesize/{KEY}.json", json.dumps(found).encode())
    overwrite(memory, f"data/{KEY}/{found['data']}/{name}", b"x")
    with pytest.raises(CorruptArtifactError, match="its files"):
        assert not machines[1].artifact("synthesize", KEY).folder
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("data", ["../..", "..", "", "a/b", "*"])
def test_a_strangers_store_names_no_data_outside_of_its_own_place(
    machines: list[RemoteStore], memory: Address, data: str
) -> None:
    commit(machines[0])
    found = {**commit_of(memory), "data": data}
    overwrite(memory, f"artifacts/synthesize/{KEY}.json", json.dumps(found).encode())
    with pytest.raises(CorruptArtifactError):
        machines[1].find("synthesize", KEY)
    machines[1].remove("synthesize", KEY)
    assert len(data_of(memory)) == 1


def test_objects_that_are_no_artifacts_are_passed_over(machines: list[RemoteStore], memory: Address) -> None:
    commit(machines[0])
    strange = ("data/README", "artifacts/README", "artifacts/squeeze/notes.txt", "artifacts/../..json", "data/x/y")
    for name in (*strange, "artifacts/squeeze/*.json"):
        overwrite(memory, name, b"x")
    before = objects(memory)
    assert [(artifact.kind, artifact.key) for artifact in machines[1].artifacts()] == [("synthesize", KEY)]
    assert machines[1].sweep(time.time() + 3600) == 0
    assert objects(memory) == before


def test_data_of_an_upload_under_way_is_not_swept_though_its_machine_s_clock_is_days_behind(
    machines: list[RemoteStore], memory: Address
) -> None:
    overwrite(memory, f"data/{KEY}/20200101T000000Z-1/first", b"x", old=True)
    overwrite(memory, f"data/{KEY}/20200101T000000Z-1/second", b"x")
    assert machines[1].sweep(time.time() - 3600) == 0
    assert len(data_of(memory)) == 2


def test_a_commit_that_is_none_weighs_nothing(machines: list[RemoteStore], memory: Address) -> None:
    commit(machines[0])
    overwrite(memory, f"artifacts/synthesize/{KEY}.json", b"{")
    names = [("synthesize", KEY)]
    assert machines[1].present(names) == set(names)
    assert machines[1].artifact("synthesize", KEY).nbytes == 0


def test_a_verification_leaves_a_fetch_of_the_same_artifact_alone(
    machines: list[RemoteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [f"batch-0000{number}" for number in range(2)]
    draft = machines[0].draft(KEY)
    for name in files:
        draft.save(name, TENSORS)
    machines[0].commit(draft, "synthesize", KEY, META)
    store = machines[1]
    rival = copy.copy(store)
    rival.near = Store(store.near.root)  # another process of this machine
    verified: list[Any] = []
    thread = threading.Thread(target=lambda: verified.append(rival.verified("synthesize", KEY)))
    download = store._objects.download

    def slow(name: str, path: Path) -> None:
        if name.endswith("1.safetensors") and not thread.ident:
            thread.start()
            time.sleep(0.3)
        download(name, path)

    monkeypatch.setattr(store._objects, "download", slow)
    store.fetched("synthesize", KEY)
    thread.join()
    assert verified == [store.artifact("synthesize", KEY).meta()]
    assert store.near.artifact("synthesize", KEY).verify()


def test_a_copy_that_another_process_drops_says_nothing_of_the_store(
    machines: list[RemoteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(machines[0])
    artifact = machines[1].artifact("synthesize", KEY)
    (artifact.folder / "batch-00000.safetensors").write_bytes(b"rotten")
    put = machines[1].near.put

    def put_and_lose(draft: Any, kind: str, key: str) -> bool:
        placed = put(draft, kind, key)
        machines[1].near.remove(kind, key)  # by a process that found the same rotten copy
        return placed

    monkeypatch.setattr(machines[1].near, "put", put_and_lose)
    with pytest.raises(CorruptArtifactError):
        artifact.tensors("batch-00000")
    assert machines[0].find("synthesize", KEY) is not None
