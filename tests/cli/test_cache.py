"""``ddbench cache``: size, verify, prune."""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


def grow_old(folder: Path, days: float) -> None:
    """Set a folder's time of change back."""
    then = time.time() - days * 86400
    os.utime(folder, (then, then))


def test_size_counts_artifacts_and_bytes_by_kind(run: Call, command: Call) -> None:
    run()

    kinds = command("cache", "size", "--json").document["kinds"]

    assert {kind: row["artifacts"] for kind, row in kinds.items()} == {
        "squeeze": 1,
        "synthesize": 2,
        "relabel": 1,
        "evaluate": 2,
    }
    for kind, row in kinds.items():
        assert row["bytes"] == sum(file.stat().st_size for file in Path("store", kind).rglob("*") if file.is_file())


def test_verify_finds_a_flipped_byte_and_the_next_run_mends_it(run: Call, command: Call) -> None:
    before = run("--json").document
    assert command("cache", "verify").out == "6 artifacts verified, 0 corrupt\n"
    file = next(Path("store", "synthesize").rglob("*.safetensors"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 0xFF
    file.write_bytes(content)

    ended = command("cache", "verify")

    assert ended.code == 3
    assert ended.out.splitlines()[-1] == "6 artifacts verified, 1 corrupt"
    assert file.name in ended.out
    assert not file.exists()
    after = run("--json").document
    assert [row["top1"] for row in after["trials"]] == [row["top1"] for row in before["trials"]]


def test_prune_deletes_the_old_of_one_kind_and_leaves_results(run: Call, command: Call) -> None:
    run()
    old, young = sorted(Path("store", "synthesize").glob("??/*"))
    grow_old(old, days=3)
    grow_old(next(Path("store", "squeeze").glob("??/*")), days=3)
    files = {file: file.read_bytes() for file in Path("results").rglob("*.json")}

    ended = command("cache", "prune", "--older-than", "2d", "--kind", "synthesize", "--yes")

    assert ended.code == 0
    assert ended.out.startswith("1 artifacts deleted")
    assert (old.exists(), young.exists()) == (False, True)
    assert len(list(Path("store", "squeeze").glob("??/*"))) == 1
    assert {file: file.read_bytes() for file in Path("results").rglob("*.json")} == files


def test_prune_asks_first_and_a_closed_stdin_means_no(
    run: Call, command: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    artifact = next(Path("store", "squeeze").glob("??/*"))
    grow_old(artifact, days=40)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    assert command("cache", "prune").code == 130
    assert artifact.exists()


def test_prune_sweeps_drafts_of_dead_processes_and_leaves_young_ones(run: Call, command: Call) -> None:
    run()
    dead, living = Path("store", "drafts", "dead"), Path("store", "drafts", "living")
    dead.mkdir()
    living.mkdir()
    grow_old(dead, days=2)

    assert "1 drafts of killed processes and 0 workspaces" in command("cache", "prune", "--yes").out
    assert (dead.exists(), living.exists()) == (False, True)


def test_prune_sweeps_what_unfinished_stages_left_long_ago_unless_one_goes_on(run: Call, command: Call) -> None:
    from ddbench.store import Store

    run()
    store = Store(Path("store"))
    for name in ("old", "young", "busy"):
        (store.workspace(name) / "checkpoint").write_bytes(b"12345")
    for name in ("old", "busy"):
        grow_old(store.workspace(name) / "checkpoint", days=40)
        grow_old(store.workspace(name), days=40)
    assert command("cache", "size", "--json").document["workspace_bytes"] == 15

    with store.lock("busy"):
        ended = command("cache", "prune", "--yes")

    assert "1 workspaces of unfinished stages swept" in ended.out
    assert sorted(path.name for path in Path("store", "workspaces").iterdir()) == ["busy", "young"]


def test_an_empty_store_is_no_error(command: Call, toys: list[str]) -> None:
    assert command("cache", "size", "--json").document["kinds"] == {}
    assert command("cache", "verify").out == "0 artifacts verified, 0 corrupt\n"
    assert command("cache", "prune", "--yes").code == 0
    assert not Path("store").exists()


def test_a_store_under_a_url_is_run_on_counted_verified_and_pruned_alike(
    run: Call, command: Call, toys: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    monkeypatch.setenv("DDBENCH_CACHE", str(tmp_path / "copies"))
    url = f"memory://{tmp_path.name}/store"
    files, root = fsspec.filesystem("memory"), f"/{tmp_path.name}/store"
    first = run("--store", url, "--json").document
    shutil.rmtree(tmp_path / "copies")
    assert run("--store", url, "--json").document == first
    assert command("plan", *toys, "--store", url).out.rstrip().endswith("6 stages: 6 reused, 0 to compute")
    sized = command("cache", "size", "--store", url, "--json").document
    assert sized["store"] == url
    assert sum(kind["artifacts"] for kind in sized["kinds"].values()) == 6
    assert sum(kind["bytes"] for kind in sized["kinds"].values()) == sum(files.du(root, total=False).values())
    assert command("cache", "verify", "--store", url).out == "6 artifacts verified, 0 corrupt\n"

    damaged = next(path for path in files.find(f"{root}/data"))
    files.pipe_file(damaged, files.cat_file(damaged)[:-1])
    orphan = f"{root}/data/{'ab' * 32}/20200101T000000Z-1/x"
    files.pipe_file(orphan, b"left by a killed upload")
    files.store[orphan].created = datetime(2020, 1, 1, tzinfo=UTC)
    ended = command("cache", "verify", "--store", url)
    assert ended.code == 3
    assert ended.out.splitlines()[-1] == "6 artifacts verified, 1 corrupt"
    assert "1 drafts of killed processes" in command("cache", "prune", "--yes", "--store", url).out
    again = run("--store", url, "--json").document["trials"]
    assert [row["top1"] for row in again] == [row["top1"] for row in first["trials"]]
    assert command("cache", "prune", "--older-than", "0h", "--yes", "--store", url).out.startswith(
        "5 artifacts deleted"  # the corrupt one was not missed: its students are there
    )
    assert files.find(root) == []


def test_what_a_result_file_tells_of_a_store_under_a_url_is_no_address(
    run: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("fsspec", reason="needs fsspec")
    monkeypatch.setenv("DDBENCH_CACHE", str(tmp_path / "copies"))
    url = f"memory://me:hunter2@{tmp_path.name}/store"
    ended = run("--store", url)
    assert ended.code == 0
    texts = [file.read_text() for file in Path("results").rglob("*.json")]
    assert texts
    assert not [text for text in texts if "hunter2" in text or "memory://" in text]
    assert "hunter2" not in ended.out + ended.err
