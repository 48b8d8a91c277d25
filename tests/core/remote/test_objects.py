from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ddbench.errors import UserError
from ddbench.location import Address
from ddbench.remote.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest.importorskip("fsspec", reason="needs fsspec")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let pauses pass at once; returns them as they come."""
    pauses: list[float] = []
    monkeypatch.setattr("ddbench.remote.objects.time.monotonic", lambda: sum(pauses))
    monkeypatch.setattr("ddbench.remote.objects.time.sleep", pauses.append)
    return pauses


@pytest.fixture
def flaky(memory: Address, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Objects]:
    """Return a function that makes objects whose reading fails as often as there are errors."""

    def make(*errors: Exception, warn: Callable[[str], None] | None = None, patience: float = 60.0) -> Objects:
        objects, waiting = Objects(memory, warn, patience), list(errors)
        whole = objects._files.cat

        def cat(*args: Any, **options: Any) -> Any:
            if waiting:
                raise waiting.pop(0)
            return whole(*args, **options)

        monkeypatch.setattr(objects._files, "cat", cat)
        return objects

    return make


def test_a_call_is_tried_again_after_ever_longer_pauses(flaky: Callable[..., Objects], clock: list[float]) -> None:
    told: list[str] = []
    objects = flaky(*[ConnectionError("reset")] * 6, TimeoutError(), warn=told.append)
    objects.create("a/b", b"1")
    assert objects.read("a/b") == b"1"
    assert len(clock) == 7
    assert all(0.1 * 2**step <= pause <= 0.2 * 2**step for step, pause in enumerate(clock[:5]))
    assert max(clock) <= 8
    assert len(told) == 1
    assert "does not answer: ConnectionError: reset; trying again for 60 s" in told[0]


def test_a_store_that_stays_away_fails_in_one_line(flaky: Callable[..., Objects], clock: list[float]) -> None:
    objects = flaky(*[ConnectionError("reset\nby peer")] * 100, patience=10.0)
    with pytest.raises(
        UserError, match=r"memory://\S+ does not answer: ConnectionError: reset by peer; mend that"
    ) as end:
        objects.read("a/b")
    assert "\n" not in str(end.value)
    assert sum(clock) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("error", "caught"),
    [
        (PermissionError("Access Denied"), UserError),
        (FileNotFoundError("no such bucket"), FileNotFoundError),
        (OSError(errno.ENOSPC, "No space left on device"), OSError),
    ],
)
def test_what_will_not_mend_itself_is_not_tried_again(
    flaky: Callable[..., Objects], clock: list[float], error: Exception, caught: type[Exception]
) -> None:
    with pytest.raises(caught, match=str(error.args[-1])):
        flaky(error).read("a/b")
    assert clock == []


def test_missing_credentials_are_told_at_once(flaky: Callable[..., Objects], clock: list[float]) -> None:
    absent = type("NoCredentialsError", (Exception,), {})
    with pytest.raises(UserError, match="NoCredentialsError: Unable to locate credentials"):
        flaky(absent("Unable to locate credentials")).read("a/b")
    assert clock == []


def test_a_login_in_an_error_is_not_repeated(flaky: Callable[..., Objects], clock: list[float]) -> None:
    objects = flaky(*[OSError("https://me:hunter2@host/x?sig=hunter2 is gone")] * 9, patience=0.0)
    with pytest.raises(UserError) as caught:
        objects.read("a/b")
    assert "hunter2" not in str(caught.value)


def test_only_the_first_creates_an_object(memory: Address) -> None:
    objects = Objects(memory, None)
    assert objects.create("a/b", b"1")
    assert not objects.create("a/b", b"2")
    assert objects.read("a/b") == b"1"


def test_who_created_an_object_in_a_call_whose_answer_was_lost_was_first(memory: Address) -> None:
    objects = Objects(memory, None)
    assert objects.create("a/b", b"1")
    assert objects.create("a/b", b"1")  # as when it is tried again


def test_where_the_server_cannot_tell_who_was_first_it_is_looked(
    memory: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = Objects(memory, None)
    whole = objects._files.pipe_file

    def plain(path: str, value: bytes, **options: Any) -> None:
        if options:
            raise NotImplementedError("A header you provided implies functionality that is not implemented")
        whole(path, value)

    monkeypatch.setattr(objects._files, "pipe_file", plain)
    assert objects.create("a/b", b"1")
    assert not objects.create("a/b", b"2")
    assert objects.read("a/b") == b"1"


def test_listings_tell_bytes_and_moments(memory: Address, tmp_path: Path) -> None:
    objects = Objects(memory, None)
    (tmp_path / "file").write_bytes(b"12345")
    objects.upload(tmp_path / "file", "data/x/y")
    objects.create("artifacts/z", b"1")
    found = objects.listing("data")
    assert {name: info.nbytes for name, info in found.items()} == {"data/x/y": 5}
    assert found["data/x/y"].changed > 1.7e9
    assert objects.listing("nothing") == {}
    objects.delete(found)
    objects.delete(found)
    assert objects.listing("data") == {}
    with pytest.raises(KeyError):
        objects.download("data/x/y", tmp_path / "copy")


def test_folders_are_made_where_a_file_system_has_such(tmp_path: Path) -> None:
    objects = Objects(Address(f"file://{tmp_path}/new"), None)
    (tmp_path / "file").write_bytes(b"12345")
    objects.upload(tmp_path / "file", "data/x/y")
    assert objects.create("artifacts/z/1", b"1")
    assert not objects.create("artifacts/z/1", b"2")
    objects.download("data/x/y", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"12345"
    assert objects.listing("data").keys() == {"data/x/y"}


@pytest.mark.parametrize(("scheme", "how"), [("s3", r"pip install 'ddbench\[s3\]'"), ("gs", "pip install gcsfs")])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, scheme: str, how: str
) -> None:
    monkeypatch.setitem(sys.modules, {"s3": "s3fs", "gs": "gcsfs"}[scheme], None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, scheme, raising=False)
    with pytest.raises(UserError, match=rf"{scheme}://me/x needs a package that is not installed: {how}"):
        Objects(Address(f"{scheme}://me/x"), None)


def test_a_scheme_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UserError, match=r"s4://\.\.\.@host/x cannot be opened: .*not known"):
        Objects(Address("s4://me:hunter2@host/x"), None)


@pytest.mark.parametrize("text", ["soon", "-1"])
def test_patience_is_a_number_of_seconds(memory: Address, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DDBENCH_STORE_PATIENCE", "7.5")
    assert Objects(memory, None).patience == 7.5
    monkeypatch.setenv("DDBENCH_STORE_PATIENCE", text)
    with pytest.raises(UserError, match="DDBENCH_STORE_PATIENCE"):
        Objects(memory, None)


@pytest.mark.parametrize("name", ["run[1]", "a*", "what?"])
def test_a_place_that_would_be_a_pattern_is_refused(memory: Address, name: str) -> None:
    with pytest.raises(UserError, match=r"holds one of \*\?\["):
        Objects(Address(f"{memory.url}/{name}"), None)
