from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2

from ddbench_datasets.decoding import Frame, ImageError, decode, load, shorter_side, square_side

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEEP = Frame(8, 3, convert=False, like="first.png")
GREY = Frame(8, 1, convert=False, like="first.png")


def as_file(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_pixels_come_channels_first_as_they_are_in_the_file() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    pixels = decode(as_file(Image.fromarray(levels)), KEEP)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.moveaxis(levels, 2, 0))


@pytest.mark.parametrize("kind", ["BMP", "PNG", "PPM", "TIFF"])
def test_lossless_formats_give_equal_pixels(kind: str, encoded: Callable[..., bytes]) -> None:
    assert np.array_equal(decode(encoded(kind=kind), KEEP), decode(encoded(kind="PNG"), KEEP))


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK"])
def test_other_ways_to_store_colour_become_three_channels(mode: str) -> None:
    image = Image.new("RGB", (8, 8), (255, 0, 0)).convert(mode)
    assert decode(as_file(image, "TIFF"), KEEP)[:, 0, 0].tolist() == [255, 0, 0]


def test_a_palette_with_transparency_loses_it_without_a_warning() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=bytes([0, 128]))
    assert decode(buffer.getvalue(), KEEP)[:, 0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_is_refused_where_colour_is_asked(mode: str, encoded: Callable[..., bytes]) -> None:
    with pytest.raises(ImageError, match="grey where colour is asked: add channels=1"):
        decode(encoded(mode=mode), KEEP)
    assert decode(encoded(mode=mode), GREY).shape == (1, 8, 8)


def test_colour_is_refused_where_grey_is_asked(encoded: Callable[..., bytes]) -> None:
    with pytest.raises(ImageError, match="in colour where grey is asked: add channels=3"):
        decode(encoded(), GREY)


def test_conversion_repeats_grey_and_keeps_the_luminance_of_colour() -> None:
    grey = decode(as_file(Image.new("L", (8, 8), 77)), Frame(8, 3, convert=True, like=""))
    assert grey[:, 0, 0].tolist() == [77, 77, 77]
    luminance = decode(as_file(Image.new("RGB", (8, 8), (200, 100, 50))), Frame(8, 1, convert=True, like=""))
    assert luminance[0, 0, 0] == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)


@pytest.mark.parametrize("convert", [False, True])
def test_sixteen_bits_a_channel_are_refused(convert: bool) -> None:
    image = Image.fromarray(np.full((8, 8), 40_000, np.uint16))
    with pytest.raises(ImageError, match="more than 8 bits a channel"):
        decode(as_file(image), Frame(8, 1, convert, like=""))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_image_is_refused(kind: str, encoded: Callable[..., bytes]) -> None:
    whole = encoded(size=(64, 64), kind=kind)
    with pytest.raises(ImageError, match=r"does not decode as an image \(.+\): replace or remove it"):
        decode(whole[: len(whole) // 2], Frame(64, 3, convert=False, like=""))


@pytest.mark.parametrize("data", [b"", b"no image at all", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"])
def test_what_is_no_image_or_a_program_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="unknown format"):
        decode(data, KEEP)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_unfolds(side: int) -> None:
    with pytest.raises(ImageError, match=r"does not decode as an image \(.*pixels"):
        decode(b"P6 %d %d 255\n" % (side, side), Frame(8, 3, convert=False, like=None))


def test_the_first_image_sets_the_size_of_all(encoded: Callable[..., bytes]) -> None:
    with pytest.raises(ImageError, match=r"is 9x8 pixels, but first\.png is 8x8: add size=N"):
        decode(encoded(size=(9, 8)), KEEP)


def test_side_is_read_of_square_images_only(encoded: Callable[..., bytes]) -> None:
    assert square_side(encoded(size=(5, 5))) == 5
    with pytest.raises(ImageError, match="5x7 pixels, not square: add size=N"):
        square_side(encoded(size=(5, 7)))


@pytest.mark.parametrize("size", [(16, 8), (8, 16)])
def test_the_centre_square_is_kept(size: tuple[int, int]) -> None:
    width, height = size
    levels = np.zeros((height, width, 3), np.uint8)
    levels[height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4] = 255
    pixels = decode(as_file(Image.fromarray(levels)), Frame(8, 3, convert=False, like=None))
    assert pixels.min() == 255


def test_halving_averages_antialiased() -> None:
    # The triangle of bilinear reduction by 2 weighs 1 3 3 1: a checkerboard of single pixels becomes even grey.
    levels = np.indices((16, 16)).sum(0) % 2 * 255
    image = Image.fromarray(levels.astype(np.uint8))
    pixels = decode(as_file(image), Frame(8, 1, convert=False, like=None))
    assert np.abs(pixels[0, 1:-1, 1:-1].astype(int) - 128).max() <= 1


def test_from_96_pixels_on_a_sixteenth_is_cut_from_each_side() -> None:
    levels = np.zeros((256, 256), np.uint8)
    levels[16:240, 16:240] = 255
    pixels = decode(as_file(Image.fromarray(levels)), Frame(224, 1, convert=False, like=None))
    assert pixels.min() == 255  # 224 of 256 pixels, unscaled
    below = decode(as_file(Image.fromarray(levels)), Frame(95, 1, convert=False, like=None))
    assert below.min() == 0


def test_an_extreme_shape_is_resized_without_growing(encoded: Callable[..., bytes]) -> None:
    assert decode(encoded(size=(1, 20_000)), Frame(128, 3, convert=False, like=None)).shape == (3, 128, 128)


@pytest.mark.parametrize("shape", [(500, 375), (375, 500), (224, 224), (333, 501), (100, 90), (1200, 300)])
@pytest.mark.parametrize("size", [224, 64])
def test_crop_gives_what_torchvision_shows_pretrained_networks(
    shape: tuple[int, int], size: int, encoded: Callable[..., bytes]
) -> None:
    data = encoded(size=shape, kind="JPEG")
    shorter = {224: 256, 64: 73}[size]
    shown = v2.CenterCrop(size)(v2.Resize(shorter)(Image.open(io.BytesIO(data))))
    difference = decode(data, Frame(size, 3, convert=True, like=None, fit="crop")).astype(int)
    difference -= np.asarray(shown).transpose(2, 0, 1)
    assert np.abs(difference).max() <= 1  # Pillow rounds a box to 24 bits: of noise, some pixels round the other way


def test_squash_gives_all_of_the_image(encoded: Callable[..., bytes]) -> None:
    data = encoded(size=(50, 37), kind="JPEG")
    shown = v2.Resize((24, 24))(Image.open(io.BytesIO(data)))
    pixels = decode(data, Frame(24, 3, convert=True, like=None, fit="squash"))
    assert np.array_equal(pixels, np.asarray(shown).transpose(2, 0, 1))


def test_a_path_is_as_good_as_bytes(tmp_path: Path, encoded: Callable[..., bytes]) -> None:
    (tmp_path / "a.png").write_bytes(encoded())
    assert np.array_equal(load(str(tmp_path / "a.png"), KEEP), load(encoded(), KEEP))
    with pytest.raises(ImageError, match=r"cannot be read \(No such file or directory\): mend or remove it"):
        load(str(tmp_path / "b.png"), KEEP)


@pytest.mark.parametrize("size", [(300, 200), (130, 257), (64, 64), (65, 190), (40, 33), (900, 70)])
def test_the_centre_is_cut_out_as_dit_saw_it(size: tuple[int, int], encoded: Callable[..., bytes]) -> None:
    """Scale the whole image, then crop: the published order, of which only what is shown is computed here."""
    file = encoded(size=size, kind="PNG")
    image = Image.open(io.BytesIO(file)).convert("RGB")
    for _ in range(int(np.log2(min(size) / 32))):
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    ratio = 32 / min(image.size)
    whole = np.asarray(
        image.resize((round(image.width * ratio), round(image.height * ratio)), Image.Resampling.BICUBIC)
    )
    top, left = ((side - 32) // 2 for side in whole.shape[:2])
    shown = np.moveaxis(whole[top : top + 32, left : left + 32], 2, 0).astype(int)
    pixels = decode(file, Frame(32, 3, convert=False, like=None, fit="adm"))
    assert pixels.shape == (3, 32, 32)
    assert np.abs(pixels - shown).max() <= 1


def test_the_shorter_side_is_read_from_the_header(encoded: Callable[..., bytes]) -> None:
    assert shorter_side(encoded(size=(12, 7))) == shorter_side(encoded(size=(7, 12))) == 7
