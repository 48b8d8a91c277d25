from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ddbench.remote import cache as module
from ddbench.remote.cache import Cache
from ddbench.store import Store

if TYPE_CHECKING:
    from pathlib import Path

KEYS = ["0a" * 32, "0b" * 32, "0c" * 32]
BYTES = 1000


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Fill a copy with three artifacts, the first of them used longest ago; two are within the limit."""
    store = Store(tmp_path)
    for age, key in enumerate(reversed(KEYS)):
        draft = store.draft(key)
        (draft.folder / "x").write_bytes(bytes(BYTES))
        store.commit(draft, "squeeze", key, {})
        os.utime(store.artifact("squeeze", key).folder, (0, time.time() - 60 * age))
    return Cache(store, 2 * store.artifact("squeeze", KEYS[0]).nbytes)


def left(cache: Cache) -> list[str]:
    return [artifact.key for artifact in cache.store.artifacts()]


def test_what_was_not_used_for_longest_goes_first(cache: Cache) -> None:
    cache.make_room()
    assert left(cache) == KEYS[1:]


def test_a_use_saves_an_artifact(cache: Cache) -> None:
    cache.touch(cache.store.artifact("squeeze", KEYS[0]))
    cache.make_room()
    assert left(cache) == [KEYS[0], KEYS[2]]


def test_what_a_running_stage_uses_stays(cache: Cache) -> None:
    lock = cache.pin(KEYS[0])
    cache.make_room()
    assert left(cache) == [KEYS[0], KEYS[2]]
    cache.unpin(lock)
    Cache(cache.store, 0).make_room()
    assert left(cache) == []
    assert list((cache.store.root / "uses").iterdir()) == []


def test_what_a_killed_process_used_may_go(cache: Cache) -> None:
    code = f"""
import os
from pathlib import Path
from ddbench.remote.cache import Cache
from ddbench.store import Store
lock = Cache(Store(Path({str(cache.store.root)!r})), 0).pin({KEYS[0]!r})
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert len(list((cache.store.root / "uses").iterdir())) == 1
    cache.make_room()
    assert left(cache) == KEYS[1:]
    assert list((cache.store.root / "uses").iterdir()) == []


def test_what_waits_for_its_upload_stays(cache: Cache) -> None:
    cache.mark("squeeze", KEYS[0])
    Cache(cache.store, 0).make_room()
    assert left(cache) == [KEYS[0]]
    assert cache.pending() == [("squeeze", KEYS[0])]
    cache.unmark("squeeze", KEYS[0])
    assert cache.pending() == []


def test_a_mark_of_what_was_never_finished_counts_for_nothing(cache: Cache) -> None:
    cache.mark("squeeze", "ff" * 32)
    assert cache.pending() == []


def test_room_is_made_at_once_and_then_for_every_twentieth_that_was_added(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_added", {})
    made: list[int] = []
    monkeypatch.setattr(Cache, "make_room", lambda self: made.append(1))
    cache.grown(1)
    assert len(made) == 1
    for _ in range(20):
        cache.grown(cache.limit // 100)
    assert len(made) == 1 + 20 // 6  # five hundredths are a twentieth, the sixth is more


def test_who_makes_room_does_not_mind_that_another_does_too(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = list(cache.store.artifacts())
    cache.store.remove("squeeze", KEYS[0])
    monkeypatch.setattr(cache.store, "artifacts", lambda: iter(listed))
    cache.make_room()
    assert [key for key in KEYS if cache.store.has("squeeze", key)] == KEYS[1:]


def test_what_is_just_being_fetched_stays(cache: Cache) -> None:
    with cache.store.lock(f"{KEYS[0]}.fetch"):  # by a stage that will read it, and has pinned it a moment too late
        cache.make_room()
    assert left(cache) == [KEYS[0], KEYS[2]]
