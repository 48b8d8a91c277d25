from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ddbench.errors import UserError
from ddbench.whole_file import write_text, write_whole

if TYPE_CHECKING:
    from pathlib import Path


def broken(draft: Path) -> None:
    draft.write_text("half")
    raise OSError(28, "No space left on device")


def test_folders_are_made_and_no_draft_stays(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "a.txt", "né")
    assert (tmp_path / "deep" / "a.txt").read_bytes() == "né".encode()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.txt"]


def test_a_write_that_fails_leaves_the_file_of_before_and_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(UserError, match=r"^figure .*a\.txt cannot be written: No space left on device; mend that"):
        write_whole(tmp_path / "a.txt", broken, "figure")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "before")]


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link.txt").symlink_to("there/a.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "there" / "a.txt").read_text() == "new"


def test_what_is_no_file_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_text(tmp_path / "pipe", "through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_a_folder_in_the_file_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(UserError, match="cannot be written: Is a directory"):
        write_text(tmp_path / "a.txt", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_two_who_write_one_file_at_once_under_one_process_number_both_write_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"

    def slow(draft: Path) -> None:
        draft.write_text("first")
        write_text(path, "second")  # in another container, say

    write_whole(path, slow)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("a.txt", "first")]
