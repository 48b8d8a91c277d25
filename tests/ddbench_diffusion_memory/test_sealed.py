from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from ddbench_diffusion_memory import sealed

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def tensors() -> dict[str, Tensor]:
    return {
        "a": torch.arange(6.0).view(2, 3).t(),
        "b": torch.tensor(True),
        "c": torch.ones(2, dtype=torch.bfloat16),
        "d": torch.zeros(0, 4),
    }


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    sealed.write(tmp_path / "file", tensors(), {"iteration": "7"})
    found = sealed.read(tmp_path / "file")
    assert found is not None
    assert found[1] == {"iteration": "7"}
    assert found[0].keys() == tensors().keys()
    assert all(torch.equal(found[0][name], tensor) for name, tensor in tensors().items())
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_file_that_is_not_there_reads_as_none(tmp_path: Path) -> None:
    assert sealed.read(tmp_path / "file") is None


def test_a_safetensors_file_of_someone_else_reads_as_none(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.ones(3)}, tmp_path / "file")
    assert sealed.read(tmp_path / "file") is None


@pytest.mark.parametrize("flip", [1, 14, 64])  # 14 makes a 9 of a 7
def test_no_byte_can_change_unnoticed(flip: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    sealed.write(path, {"a": torch.arange(4.0), "b": torch.zeros(0)}, {"iteration": "7"})
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
        assert sealed.read(path) is None, whole[:place]


@pytest.mark.parametrize(
    ("old", "new"), [(b'"F32"', b'"I32"'), (b"[2,3]", b"[3,2]"), (b'"7"', b'"9"'), (b'"a":', b'"z":')]
)
def test_no_word_about_the_content_can_change_unnoticed(old: bytes, new: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    sealed.write(path, {"a": torch.ones(2, 3)}, {"iteration": "7"})
    whole = path.read_bytes()
    assert whole.count(old) == 1
    path.write_bytes(whole.replace(old, new))
    assert sealed.read(path) is None


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    sealed.write(path, {"a": torch.ones(1)}, {})
    shared = torch.ones(3)
    with pytest.raises(RuntimeError):  # safetensors cannot hold two names for one memory
        sealed.write(path, {"a": shared, "b": shared}, {})
    found = sealed.read(path)
    assert found is not None
    assert found[0]["a"].item() == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
