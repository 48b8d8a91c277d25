"""The index of a results folder: whatever happens to it or to the files, the frame is that of the files."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from ddbench import frames, index, results
from ddbench.errors import UserError
from ddbench.keys import digest
from ddbench.listing import listing

if TYPE_CHECKING:
    from collections.abc import Callable

    Documents = Callable[..., list[dict[str, Any]]]
    Reads = list[str]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Index folders of two files and more, and believe times at once; the user's cache is the test's."""
    monkeypatch.setattr(index, "LEAST", 2)
    monkeypatch.setattr(index, "SETTLED_NS", -(10**12))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Note the names of files that are read."""
    seen: Reads = []
    read = results.read

    def noted(path: Path) -> dict[str, Any]:
        seen.append(path.name)
        return read(path)

    monkeypatch.setattr(results, "read", noted)
    return seen


@pytest.fixture
def folder(documents: Documents, saved: Callable[..., Path]) -> Path:
    """Return a folder of four results, never read."""
    return saved(*documents(seeds="0-3"))


def names(*numbers: int) -> list[str]:
    return [f"{number}.json" for number in numbers]


def put(path: Path, **changes: Any) -> None:
    """Change a document and seal it anew."""
    document = {name: value for name, value in (results.read(path) | changes).items() if name != "checksum"}
    results.write(path, document | {"checksum": digest(document)})


def unindexed(folder: Path) -> pd.DataFrame:
    shutil.rmtree(folder / ".ddbench", ignore_errors=True)
    return frames.load(folder)


def same(table: pd.DataFrame, folder: Path) -> bool:
    pd.testing.assert_frame_equal(table, unindexed(folder))
    return True


def test_what_has_not_changed_is_not_read_again(folder: Path, reads: Reads) -> None:
    first = frames.load(folder)
    assert reads == names(0, 1, 2, 3)
    reads.clear()
    second = frames.load(folder)
    assert reads == []
    pd.testing.assert_frame_equal(first, second)


def test_few_files_need_no_index(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "LEAST", 5)
    frames.load(folder)
    assert not (folder / ".ddbench").exists()


def test_new_changed_and_deleted_files_are_noticed_and_no_others_read(folder: Path, reads: Reads) -> None:
    frames.load(folder)
    deep = folder / "deep"
    put(deep / "1.json", benchmark="another")
    shutil.copy(deep / "3.json", deep / "25.json")
    (deep / "0.json").unlink()
    reads.clear()
    found = frames.gather(folder)
    assert sorted(reads) == names(1, 25)
    assert [each["key"] for each in found.documents] == found.frame["key"].tolist()
    assert found.repeated.startswith("trials that are there more than once: 1")
    assert same(found.frame, folder)


def test_an_edit_that_keeps_size_and_time_is_noticed(folder: Path, reads: Reads) -> None:
    path = folder / "deep" / "2.json"
    frames.load(folder)
    before = path.stat()
    top1 = f'"top1": {results.read(path)["measures"]["top1"]}'
    text = path.read_text()
    path.write_text(text.replace(top1, top1[:-1] + str((int(top1[-1]) + 1) % 10)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert text != path.read_text()
    reads.clear()
    table = frames.load(folder)
    assert reads == names(2)
    assert table["flag"].tolist() == ["", "", "edited", ""]


def test_a_file_that_had_just_changed_is_read_again(
    folder: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "SETTLED_NS", 3600 * 10**9)
    frames.load(folder)
    reads.clear()
    frames.load(folder)
    assert reads == names(0, 1, 2, 3)


def test_flags_and_failures_are_kept(folder: Path, reads: Reads) -> None:
    deep = folder / "deep"
    put(deep / "0.json", status="failed", error="no memory", measures=None)
    (deep / "1.json").write_text((deep / "1.json").read_text().replace('"benchmark": "default"', '"benchmark": "x"'))
    frames.load(folder)
    reads.clear()
    table = frames.load(folder)
    assert reads == []
    assert table["status"].tolist() == ["failed", "done", "done", "done"]
    assert table["flag"].tolist() == ["", "edited", "", ""]
    assert same(table, folder)


def test_files_that_cannot_be_read_are_told_each_time(folder: Path, reads: Reads) -> None:
    (folder / "deep" / "1.json").write_text("{")
    (folder / "nowhere.json").symlink_to(folder / "nothing")
    for _ in range(2):
        found = frames.gather(folder)
        assert [line.split()[2].rpartition("/")[2] for line in found.bad] == ["1.json", "nowhere.json"]
    assert reads == [*names(0, 1, 2, 3), "nowhere.json", "1.json", "nowhere.json"]
    with pytest.raises(UserError, match=r"1\.json is not whole JSON"):
        frames.load(folder)


def spoilt(content: bytes) -> dict[str, bytes]:
    """Return broken forms of an index, by what is wrong with them."""
    middle = len(content) // 2
    return {
        "empty": b"",
        "half": content[:middle],
        "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "no parquet": b"index\n",
        "a byte more": content + b" ",
    }


@pytest.mark.parametrize("kind", spoilt(b"__"))
def test_a_broken_index_is_ignored_and_written_anew(folder: Path, reads: Reads, kind: str) -> None:
    whole = frames.load(folder)
    path = folder / ".ddbench" / "index"
    path.write_bytes(spoilt(path.read_bytes())[kind])
    reads.clear()
    pd.testing.assert_frame_equal(frames.load(folder), whole)
    assert reads == names(0, 1, 2, 3)
    reads.clear()
    frames.load(folder)
    assert reads == []


def test_an_index_of_other_code_is_ignored(folder: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    frames.load(folder)
    reads.clear()
    with monkeypatch.context() as patch:
        patch.setattr(index, "source_digest", lambda module: "other")
        frames.load(folder)
    assert len(reads) == 4
    frames.load(folder)
    assert len(reads) == 8


def test_a_folder_that_is_moved_or_copied_brings_no_rows_of_other_files(folder: Path, tmp_path: Path) -> None:
    frames.load(folder)
    time.sleep(0.02)  # longer than a tick of the file system's clock
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert not index.read(listing(copy))[1].any()
    assert index.read(listing(folder.rename(tmp_path / "moved")))[1].all()


def test_where_the_folder_cannot_be_written_the_index_is_in_the_users_cache(
    folder: Path, reads: Reads, tmp_path: Path
) -> None:
    (folder / ".ddbench").touch()  # a file where the folder would be
    whole = frames.load(folder)
    assert len(list((tmp_path / "user").rglob("results/*"))) == 1
    reads.clear()
    pd.testing.assert_frame_equal(frames.load(folder), whole)
    assert reads == []


def test_where_nothing_can_be_written_results_load_all_the_same(folder: Path, tmp_path: Path) -> None:
    (folder / ".ddbench").touch()
    (tmp_path / "user").touch()
    assert len(frames.load(folder)) == 4


def test_an_index_that_git_would_see_is_ignored_there(folder: Path) -> None:
    frames.load(folder)
    assert sorted(path.name for path in (folder / ".ddbench").iterdir()) == [".gitignore", "index"]
    assert (folder / ".ddbench" / ".gitignore").read_text() == "*\n"


def test_a_few_new_files_are_not_worth_a_new_index(folder: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    frames.load(folder)
    path = folder / ".ddbench" / "index"
    before = path.read_bytes()
    monkeypatch.setattr(index, "_WORTH", 2)
    put(folder / "deep" / "1.json", benchmark="another")
    frames.load(folder)
    assert path.read_bytes() == before
    for number in (2, 3):
        put(folder / "deep" / f"{number}.json", benchmark="another")
    frames.load(folder)
    assert path.read_bytes() != before


def test_an_interrupted_reading_keeps_what_it_has_read(
    folder: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddbench.sources._AT_ONCE", 2)
    read = results.read

    def interrupted(path: Path) -> dict[str, Any]:
        if path.name == "3.json":
            raise KeyboardInterrupt
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(results, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            frames.load(folder)
    reads.clear()
    table = frames.load(folder)
    assert reads == names(2, 3)
    assert same(table, folder)


def test_a_name_that_is_no_text_is_indexed_too(folder: Path, reads: Reads) -> None:
    deep = folder / "deep"
    (deep / "3.json").rename(Path(os.fsdecode(os.fsencode(deep) + b"/\xff.json")))
    frames.load(folder)
    reads.clear()
    assert len(frames.load(folder)) == 4
    assert reads == []


def test_documents_are_read_when_they_are_asked_for(folder: Path, reads: Reads) -> None:
    frames.load(folder)
    reads.clear()
    found = frames.gather(folder)
    assert len(found.documents) == 4
    assert reads == []
    assert found.documents[1]["key"] == found.frame["key"][1]
    assert [each["key"] for each in found.documents] == found.frame["key"].tolist()
    assert [each["key"] for each in found.documents[2:]] == found.frame["key"].tolist()[2:]
    assert sorted(reads) == names(0, 1, 2, 2, 3, 3)


@pytest.mark.parametrize("link", [".ddbench", ".ddbench/index", ".ddbench/.gitignore"])
def test_an_index_is_never_written_through_a_link_in_the_folder(
    folder: Path, reads: Reads, tmp_path: Path, link: str
) -> None:
    target = tmp_path / "elsewhere"
    (target if link == ".ddbench" else folder / ".ddbench").mkdir()
    file = target / "index" if link == ".ddbench" else target
    file.write_text("precious")
    (folder / link).symlink_to(target)
    whole = frames.load(folder)
    assert file.read_text() == "precious"
    assert not (tmp_path / "elsewhere" / ".gitignore").exists()
    reads.clear()
    pd.testing.assert_frame_equal(frames.load(folder), whole)
    assert reads == []


def test_a_pipe_in_the_place_of_the_index_is_not_waited_for(folder: Path, reads: Reads) -> None:
    (folder / ".ddbench").mkdir()
    os.mkfifo(folder / ".ddbench" / "index")
    whole = frames.load(folder)
    reads.clear()
    pd.testing.assert_frame_equal(frames.load(folder), whole)
    assert reads == []


def test_an_index_that_claims_many_more_rows_than_there_are_files_is_not_read(
    folder: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames.load(folder)
    reads.clear()
    monkeypatch.setattr(index, "_MOST_ROWS", 0.5)
    frames.load(folder)
    assert reads == names(0, 1, 2, 3)


def test_of_two_indices_the_one_that_knows_more_is_read(
    folder: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames.load(folder)  # by the owner of the folder
    for number in range(4):
        put(folder / "deep" / f"{number}.json", benchmark="another")
    with monkeypatch.context() as patch:  # by somebody who may not write there
        places = index._places
        patch.setattr(index, "_places", lambda folder: list(places(folder))[1:])
        whole = frames.load(folder)
    reads.clear()
    pd.testing.assert_frame_equal(frames.load(folder), whole)
    assert reads == []
