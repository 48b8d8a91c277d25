"""A store behind a network that breaks: runs go on, and what was computed is never lost."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

import ddbench
from ddbench import stages
from ddbench.errors import UserError
from ddbench.location import Address
from ddbench.remote.objects import Objects
from ddbench.remote.store import RemoteStore
from ddbench.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ddbench.types import Stage

CUT_SECONDS = 0.7
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
STAGES = 1 + 2 + 1 + 2  # a teacher, images, labels, students


@dataclass
class Wire:
    """Passes every connection on to a server; once it is cut, connections break and new ones are refused.

    Attributes:
        server: host and port.
    """

    server: tuple[str, int]
    _whole: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._whole.set()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return "http://{}:{}".format(*self._listener.getsockname())

    def cut(self, seconds: float | None = None) -> None:
        """Break all connections, for some seconds or until ``mend``."""
        self._whole.clear()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()
        if seconds is not None:
            timer = threading.Timer(seconds, self.mend)
            timer.daemon = True
            timer.start()

    def mend(self) -> None:
        """Let connections through again."""
        self._whole.set()

    def close(self) -> None:
        """Cut for good."""
        self.cut()
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                near, _ = self._listener.accept()
                if self._whole.is_set():
                    self._join(near, socket.create_connection(self.server))
                else:
                    near.close()

    def _join(self, near: socket.socket, far: socket.socket) -> None:
        self._open += [near, far]
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=_pass, args=(source, target), daemon=True).start()


def _pass(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(2**16):
            target.sendall(content)
    for end in (source, target):
        end.close()


@pytest.fixture
def wire(bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """Put a wire between this process and the server."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    address = urlsplit(s3_server)
    wire = Wire((str(address.hostname), int(address.port or 0)))
    monkeypatch.setenv("AWS_ENDPOINT_URL", wire.url)
    yield wire
    wire.close()


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Return a list of what happens before each upload of a file."""
    happenings: list[Callable[[], None]] = []
    upload = Objects.upload

    def after(self: Objects, path: Path, name: str) -> None:
        if happenings:
            happenings.pop(0)()
        upload(self, path, name)

    monkeypatch.setattr(Objects, "upload", after)
    return happenings


def nothing() -> None:
    """Let an upload be."""


def refusing(keys: list[str]) -> Callable[..., Any]:
    """Return what computes stages as ever, but for those that are not to be computed again."""
    compute = stages._compute

    def only_others(stage: Stage, *rest: Any) -> Any:
        assert stage.key not in keys
        return compute(stage, *rest)

    return only_others


def artifacts(url: str) -> dict[str, int]:
    """Return how many artifacts of each kind a store has, every byte of them verified."""
    counts: dict[str, int] = {}
    for artifact in open_store(Address(url)).artifacts():
        assert artifact.verify()["key"] == artifact.key
        counts[artifact.kind] = counts.get(artifact.kind, 0) + 1
    return counts


def test_a_run_outlives_a_short_cut(toys: list[str], wire: Wire, bucket: str, uploads: list[Any]) -> None:
    uploads += [nothing, lambda: wire.cut(CUT_SECONDS)]

    begun = time.monotonic()
    frame = ddbench.run(**GRID, store=f"{bucket}/shared")

    assert time.monotonic() - begun > CUT_SECONDS
    assert set(frame["status"]) == {"done"}
    assert artifacts(f"{bucket}/shared") == {"squeeze": 1, "synthesize": 2, "relabel": 1, "evaluate": 2}


def test_where_the_network_stays_away_stages_fail_in_one_line_and_the_next_run_uploads_what_they_made(
    toys: list[str], wire: Wire, bucket: str, uploads: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDBENCH_STORE_PATIENCE", "0.3")
    uploads += [nothing, wire.cut]

    frame = ddbench.run(**GRID, store=f"{bucket}/shared")

    assert set(frame["status"]) == {"failed"}
    [error] = {json.loads(file.read_text())["error"] for file in Path("results").rglob("*.json")}
    assert error.startswith("toy-synth") or "the store s3://" in error
    assert "does not answer" in error
    assert "kept here and uploaded then" in error
    assert "hunter2" not in error
    assert "\n" not in error

    wire.mend()
    made = artifacts(f"{bucket}/shared")
    assert made == {"squeeze": 1}
    held = [artifact.key for artifact in Store(Address(f"{bucket}/shared").cache).artifacts()]
    monkeypatch.setattr("ddbench.stages._compute", refusing(held))
    frame = ddbench.run(**GRID, store=f"{bucket}/shared")
    assert set(frame["status"]) == {"done"}
    assert sum(artifacts(f"{bucket}/shared").values()) == STAGES


def test_a_store_that_cannot_be_reached_is_refused_before_anything_is_computed(
    toys: list[str], wire: Wire, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDBENCH_STORE_PATIENCE", "0.3")
    wire.cut()
    with pytest.raises(UserError, match="does not answer"):
        ddbench.run(**GRID, store=f"{bucket}/shared")
    assert not Path("results").exists()


def test_a_bucket_that_is_not_there_is_told(toys: list[str], bucket: str) -> None:
    with pytest.raises(UserError, match=r"s3://no-such-bucket/x cannot be written: .*does not exist"):
        ddbench.run(**GRID, store="s3://no-such-bucket/x")
    assert not Path("results").exists()


RIVAL = """
import sys, time
from pathlib import Path
from ddbench.location import location
from ddbench.store import Store, open_store
from ddbench.types import Stage
place, ready, name = location(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
store = open_store(place)
drafts = []
for number in range(20):
    key = f"{number:064x}"
    draft = store.draft(f"{key}.{name}")  # as from another machine: what it does not see it does not sweep
    (draft.folder / "x").write_bytes(name.encode() * 1000)
    import hashlib
    draft.files["x"] = {"sha256": hashlib.sha256(name.encode() * 1000).hexdigest(), "bytes": 1000 * len(name)}
    drafts.append((key, draft))
(ready / name).touch()
while not (ready / "go").exists():
    time.sleep(0.005)
won = sum(store.commit(draft, "squeeze", key, {"by": name})["by"] == name for key, draft in drafts)
print(won)
"""


@pytest.mark.parametrize("elsewhere", [False, True], ids=["folder", "s3"])
def test_two_machines_that_finish_the_same_keys_at_once_both_end_well_and_every_artifact_is_of_one(
    tmp_path: Path, request: pytest.FixtureRequest, elsewhere: bool
) -> None:
    place = f"{request.getfixturevalue('bucket')}/shared" if elsewhere else str(tmp_path / "store")
    rivals = []
    (tmp_path / "ready").mkdir()
    for name in ("first", "second"):
        own = {**os.environ, "DDBENCH_CACHE": str(tmp_path / name)}
        command = [sys.executable, "-c", RIVAL, place, str(tmp_path / "ready"), name]
        rivals.append(subprocess.Popen(command, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    while not all((tmp_path / "ready" / name).exists() for name in ("first", "second")):
        assert [rival.poll() for rival in rivals] == [None, None]
        time.sleep(0.01)
    (tmp_path / "ready" / "go").touch()
    ends = [rival.communicate(timeout=60) for rival in rivals]
    assert [rival.returncode for rival in rivals] == [0, 0], ends
    assert sum(int(out) for out, _ in ends) == 20
    store: Any = open_store(Address(place) if elsewhere else Path(place))
    for artifact in store.artifacts():
        meta = artifact.verify()
        assert (artifact.folder / "x").read_bytes() == meta["by"].encode() * 1000
    assert len(list(store.artifacts())) == 20
    if isinstance(store, RemoteStore):
        assert len(store._objects.listing("data")) == 20  # who lost has cleared up
    else:
        assert list((tmp_path / "store" / "drafts").iterdir()) == []
