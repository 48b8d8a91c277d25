"""What is wrong with a set is said in one line that names the file."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from ddbench.errors import UserError
from ddbench_imported.synthesizer import Images

if TYPE_CHECKING:
    from collections.abc import Callable

World = Any


def refusal(world: World, path: Path, **options: Any) -> str:
    """Return the one line with which a set is refused while it is planned."""
    images = Images(str(path), **options)
    with pytest.raises(UserError) as refused:
        images.check(world.bench.check_task(world.made.ipc))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def replaced(folder: Path, content: bytes) -> Path:
    path = folder / "stripes 1" / "0.png"
    path.write_bytes(content)
    return path


def encoded(mode: str, size: tuple[int, int] = (8, 8), form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, format=form)
    return file.getvalue()


def test_a_missing_path_a_folder_without_images_and_a_file_of_no_layout(world: World, tmp_path: Path) -> None:
    assert "no folder or file" in refusal(world, tmp_path / "nowhere")
    assert "holds no distilled set" in refusal(world, tmp_path)
    (tmp_path / "set.csv").write_text("x")
    assert "is of no layout" in refusal(world, tmp_path / "set.csv")
    (tmp_path / "set" / "cat").mkdir(parents=True)
    assert "holds no images" in refusal(world, tmp_path / "set")


def test_a_text_file_that_is_called_an_image(world: World, folder: Path) -> None:
    path = replaced(folder, b"no image")
    assert refusal(world, folder) == f"{path} does not decode as an image (unknown format): replace or remove it"


KINDS = {
    "RGB": "is in colour where the data set is grey",
    "RGBA": "is transparent where the data set is grey",
    "P": "is of a palette where the data set is grey",
    "1": "is black and white where the data set is grey",
    "I;16": "has more than 8 bits a channel",
}


@pytest.mark.parametrize("mode", KINDS)
def test_an_image_of_another_kind(mode: str, world: World, folder: Path) -> None:
    path = replaced(folder, encoded(mode))
    assert refusal(world, folder).startswith(f"{path} {KINDS[mode]}")


@pytest.mark.parametrize(("mode", "form"), [("L", "PNG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("LA", "PNG")])
def test_a_colourful_set_takes_other_kinds_only_where_that_is_asked(
    mode: str, form: str, colourful: World, tmp_path: Path
) -> None:
    root = colourful.write(tmp_path, lambda label, index: f"stripes {label}/{index}.png")
    replaced(root, encoded(mode, form=form))
    assert "where the data set is in colour" in refusal(colourful, root)
    assert colourful.read(Images(str(root), convert=True, verify=False)).images.shape == (6, 3, 8, 8)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def sixteen_bit_rgb() -> bytes:
    """Write a PNG that Pillow opens as RGB, halving its bits."""
    rows = b"".join(b"\0" + bytes(8 * 6) for _ in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_sixteen_bits_a_channel_are_not_cut_to_eight(colourful: World, tmp_path: Path) -> None:
    root = colourful.write(tmp_path, lambda label, index: f"stripes {label}/{index}.png")
    replaced(root, sixteen_bit_rgb())
    assert "has more than 8 bits a channel" in refusal(colourful, root, convert=True)


def test_an_image_of_another_size_is_resized_only_where_that_is_asked(world: World, folder: Path) -> None:
    path = replaced(folder, encoded("L", (16, 12)))
    assert refusal(world, folder).startswith(f"{path} is 16x12 pixels where the data set has 8x8: resize it")
    assert world.read(Images(str(folder), resize=True, verify=False)).images.shape == (6, 1, 8, 8)


def test_a_decompression_bomb(world: World, folder: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0))
    replaced(folder, b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    assert "does not decode as an image" in refusal(world, folder, resize=True)


def test_a_truncated_jpeg_fails_where_it_is_read(world: World, tmp_path: Path) -> None:
    root = world.write(tmp_path, lambda label, index: f"stripes {label}/{index}.jpg")
    whole = (root / "stripes 2" / "1.jpg").read_bytes()
    (root / "stripes 2" / "1.jpg").write_bytes(whole[:-20])
    Images(str(root)).check(world.bench.check_task(2))
    with pytest.raises(UserError, match=r"stripes 2/1\.jpg does not decode as an image \(.*truncated"):
        world.read(Images(str(root)))


def test_unequal_counts_and_another_ipc_than_asked(world: World, folder: Path) -> None:
    with pytest.raises(UserError, match="holds 2 images per class, not 5: give --ipc 2"):
        Images(str(folder)).check(world.bench.check_task(5))
    (folder / "stripes 1" / "0.png").unlink()
    assert "has 1 of class 'stripes 1' and 2 of class 'stripes 0'" in refusal(world, folder)


def test_links_that_lead_outside(world: World, folder: Path, tmp_path: Path) -> None:
    world.picture(0).save(tmp_path / "outside.png")
    path = folder / "stripes 1" / "0.png"
    path.unlink()
    path.symlink_to(tmp_path / "outside.png")
    assert f"{path} is a link that leads outside" in refusal(world, folder)
    path.unlink()
    path.symlink_to(folder / "stripes 1" / "1.png")
    assert world.read(Images(str(folder), verify=False)).images.shape[0] == 6
    (folder / "stripes 1").rename(tmp_path / "moved")
    (folder / "stripes 1").symlink_to(tmp_path / "moved")
    assert "is a link that leads outside" in refusal(world, folder)


class Evil:
    """Would make a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, ("made by a pickle",)


def test_a_file_that_would_run_code(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"images": world.made.images, "labels": Evil()}, "set.pt")
    assert "could run code: save images and labels alone" in refusal(world, Path("set.pt"))
    assert not Path("made by a pickle").exists()


def test_damaged_and_strange_files_of_tensors(world: World, tmp_path: Path) -> None:
    path, images, labels = tmp_path / "set.pt", world.made.images, world.made.labels
    path.write_bytes(b"PK\x03\x04 no zip")
    assert "cannot be read" in refusal(world, path) or "could run code" in refusal(world, path)
    for held, said in (
        (images, "holds no images of shape"),
        ({"images": images}, "holds no label for each of its 6 images"),
        ((images, labels[:4]), "holds no label for each"),
        ((images, labels.float() + 0.5), "holds no label for each"),
        ((images[:, :, :4], labels), "is 8x4 pixels"),
        ((images.permute(0, 2, 3, 1), labels), "holds images of shape (6, 8, 8, 1)"),
        ((images.repeat(1, 3, 1, 1), labels), "is in colour where the data set is grey"),
        ((images.float() / 255 * float("nan"), labels), "not finite"),
    ):
        torch.save(held, path)
        assert said in refusal(world, path)


def test_few_bytes_that_claim_to_be_many_images(world: World, tmp_path: Path) -> None:
    torch.save((torch.zeros(1, 1, 8, 8).expand(10**9, 1, 8, 8), torch.zeros(1).expand(10**9)), tmp_path / "set.pt")
    assert "claims more numbers than it holds" in refusal(world, tmp_path / "set.pt")
    part = pa.table({"label": pa.array(np.zeros(10**6, np.int8))})
    with pq.ParquetWriter(tmp_path / "set.parquet", part.schema) as file:
        for _ in range(11):
            file.write_table(part)
    assert (tmp_path / "set.parquet").stat().st_size < 10**5
    assert "claims 11000000 rows" in refusal(world, tmp_path / "set.parquet")


@pytest.mark.parametrize("content", [b"-1", b"1.0", b"1e3", b"9" * 5000, b"\xff", b""])
def test_a_class_of_a_shard_that_is_no_number(content: bytes, world: World, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "b.tar", "w") as file:
        for name, held in (("0.cls", content), ("0.png", encoded("L"))):
            member = tarfile.TarInfo(name)
            member.size = len(held)
            file.addfile(member, io.BytesIO(held))
    assert "0.cls in" in refusal(world, tmp_path / "b.tar")


def test_a_folder_that_may_not_be_read_is_not_passed_over(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "stripes 1" / "more").mkdir()
    scandir = os.scandir

    def refused(path: Any) -> Any:
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert "stripes 1/more cannot be read (Permission denied)" in refusal(world, folder)


def test_damaged_parquet_and_tar_files(world: World, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing")
    assert "a.parquet as parquet" in refusal(world, tmp_path / "a.parquet")
    pq.write_table(pa.table({"picture": [b""], "label": [0]}), tmp_path / "a.parquet")
    assert "no column 'image'" in refusal(world, tmp_path / "a.parquet")
    nothing = pa.table({"image": pa.array([None], pa.binary()), "label": [0]})
    pq.write_table(nothing, tmp_path / "a.parquet")
    with pytest.raises(UserError, match="column 'image' holds no bytes in row 0"):
        list(Images(str(tmp_path / "a.parquet")).open().blocks(Images("x").frame(world.data)))
    (tmp_path / "b.tar").write_bytes(b"no tar at all" * 100)
    assert "b.tar cannot be read as a tar file" in refusal(world, tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar", "w") as file:
        file.addfile(tarfile.TarInfo("0.png"))
    assert "0.png in" in refusal(world, tmp_path / "b.tar")


def test_an_image_that_is_there_twice_or_lies_in_the_wrong_folder(world: World, tmp_path: Path) -> None:
    root = world.write(tmp_path, lambda label, index: f"new{label:03d}/class{label:03d}_id{index:03d}.png")
    (root / "new001/class001_id001.png").rename(root / "new001/class002_id001.png")
    assert "is of class 2 by its name, and lies in folder 'new001'" in refusal(world, root)
    (root / "new001/class002_id001.png").rename(root / "new001/class001_id00.png")
    assert "are one image by their names" in refusal(world, root)


@pytest.mark.parametrize("low_high", [(0.0, 3.0), (0.0, 300.0)])
def test_pixels_that_may_be_anything_are_not_guessed(
    low_high: tuple[float, float], world: World, tmp_path: Path
) -> None:
    images = torch.tensor(np.linspace(*low_high, 6 * 64), dtype=torch.float32).view(6, 1, 8, 8)
    torch.save((images, world.made.labels), tmp_path / "set.pt")
    assert "which may be anything: say what by pixels=" in refusal(world, tmp_path / "set.pt")
    assert "which pixels=unit cannot be" in refusal(world, tmp_path / "set.pt", pixels="unit")
