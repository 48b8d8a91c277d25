from __future__ import annotations

from pathlib import Path

import pytest

from ddbench.errors import UserError
from ddbench.location import Address, cache_limit, derived, hide_secrets, location


def test_a_path_is_a_folder(tmp_path: Path) -> None:
    assert location(tmp_path) == tmp_path
    assert location("some/store") == Path("some/store")
    assert location("~/store") == Path.home() / "store"


def test_a_file_url_is_the_folder_that_it_names(tmp_path: Path) -> None:
    assert location(f"file://{tmp_path}/with%20space") == tmp_path / "with space"
    assert location(f"local://{tmp_path}") == tmp_path


def test_every_other_url_is_the_address_of_a_store_elsewhere() -> None:
    assert location("s3://bucket/prefix/") == Address("s3://bucket/prefix")
    assert location(Address("gs://bucket")) == Address("gs://bucket")
    assert location("S3://bucket").scheme == "s3"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "url", ["sftp://me:hunter2@host/store", "sftp://me:p@ss@host/store", "abfs://box/store?sig=hunter2&token=p@ss"]
)
def test_an_address_shows_neither_login_nor_query(url: str) -> None:
    address = Address(url)
    for shown in (str(address), repr(address), f"{address}", str(address.cache)):
        assert not {secret for secret in ("hunter2", "p@ss", "me:") if secret in shown}
    assert str(address).endswith(("://...@host/store", "://box/store?..."))
    assert address.url == url


def test_secrets_are_hidden_in_the_middle_of_a_message() -> None:
    said = hide_secrets("cannot reach https://me:hunter2@host/a?sig=hunter2 (see https://host/b?x=hunter2)")
    assert "hunter2" not in said
    assert said.startswith("cannot reach https://...@host/a?...")


def test_copies_of_two_stores_lie_apart_and_are_the_same_for_any_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDBENCH_CACHE", "copies")
    first, second = Address("s3://bucket/a-b"), Address("s3://bucket/a/b")
    assert first.cache.parent == second.cache.parent == Path("copies")
    assert first.cache != second.cache
    assert Address("sftp://me:old@host/x").cache == Address("sftp://me:new@host/x").cache


def test_what_is_derived_from_data_lies_in_the_folder_or_beside_the_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDBENCH_CACHE", "copies")
    assert derived(Path("store")) == Path("store/data")
    assert derived(Address("s3://bucket")).is_relative_to("copies")


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [("", 50 * 10**9), ("123", 123), ("500MB", 500 * 10**6), ("1.5 GB", 15 * 10**8), ("2T", 2 * 10**12), ("8kB", 8000)],
)
def test_a_limit_is_an_amount(monkeypatch: pytest.MonkeyPatch, text: str, nbytes: int) -> None:
    monkeypatch.setenv("DDBENCH_CACHE_LIMIT", text)
    assert cache_limit() == nbytes


@pytest.mark.parametrize("text", ["much", "-1GB", "5 parsecs", "GB"])
def test_a_limit_that_is_no_amount_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DDBENCH_CACHE_LIMIT", text)
    with pytest.raises(UserError, match="DDBENCH_CACHE_LIMIT"):
        cache_limit()


@pytest.mark.parametrize("text", ["", "s3://", "s3:///", "simplecache::s3://bucket/x", "://bucket/x"])
def test_what_is_nearly_a_url_is_refused_and_taken_for_no_folder(text: str) -> None:
    with pytest.raises(UserError, match="no place of a store"):
        location(text)
