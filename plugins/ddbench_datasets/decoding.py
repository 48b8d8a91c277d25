"""From the bytes of an image file to pixels. The bytes are a stranger's."""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

Fit = Literal["square", "crop", "squash", "adm"]
Box = tuple[float, float, float, float]

# Named, because Pillow would also hand some formats to interpreters (EPS to Ghostscript).
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 2**30 // 12  # where Pillow begins to warn of decompression bombs; here it is an error
CENTRE_FROM = 96  # images of at least this size show 7/8 of the shorter side, as 224 of 256 do

_GREY = {"1", "L", "LA"}
_COLOUR = {"RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV"}


@dataclass(frozen=True, slots=True)
class Frame:
    """What every image of a data set becomes.

    Attributes:
        size: height and width in pixels.
        channels: 1 or 3.
        convert: turn grey into colour and colour into grey instead of refusing it.
        like: which image says so, if images must already have that size; None if they are resized.
        advice: what to do with an image of another size.
        fit: what of an image is resized: the ``square`` in its centre, its side the shorter side of the image (7/8 of
            it for sizes from 96 up); just what is left of it by torchvision's ``Resize(256)`` and ``CenterCrop(224)``
            (``crop``, other sizes in proportion); all of it, its shape not kept (``squash``); or what is left of it by
            the centre crop of ADM and DiT (``adm``), halved by averaging and then scaled bicubically.
    """

    size: int
    channels: int
    convert: bool
    like: str | None
    advice: str = "add size=N to resize all images to NxN"
    fit: Fit = "square"


class ImageError(Exception):
    """An image cannot be used; the message goes on after the image's name."""


def load(encoded: bytes | str, frame: Frame) -> npt.NDArray[np.uint8]:
    """Return an image as uint8 (C, H, W), given the bytes of its file or the file's path.

    Raises:
        ImageError: the file cannot be read, or as in ``decode``.
    """
    return decode(content(encoded), frame)


def content(encoded: bytes | str) -> bytes:
    """Return bytes as they are, or those of the file at a path.

    Raises:
        ImageError: the file cannot be read.
    """
    if isinstance(encoded, bytes):
        return encoded
    try:
        return Path(encoded).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror}): mend or remove it") from error


def decode(data: bytes, frame: Frame) -> npt.NDArray[np.uint8]:
    """Return an image as uint8 (C, H, W).

    It is resized bilinearly with antialiasing, or as the frame's ``fit`` says. Transparency is dropped and the
    orientation tag ignored, as ``torchvision.datasets.ImageFolder`` does.

    Raises:
        ImageError: the bytes are no image, are damaged, or do not fit the frame.
    """
    with _telling(), _open(data) as image:
        _require_colours(image, frame)
        _require_size(image, frame)
        return _pixels(image, frame)


def square_side(data: bytes) -> int:
    """Return the side of a square image in pixels, read from the file's header.

    Raises:
        ImageError: the bytes are no image, or the image is not square.
    """
    width, height = _sides(data)
    if width != height:
        raise ImageError(f"is {width}x{height} pixels, not square: add size=N to resize all images to NxN")
    return width


def shorter_side(data: bytes) -> int:
    """Return the shorter side of an image in pixels, read from the file's header.

    Raises:
        ImageError: the bytes are no image.
    """
    return min(_sides(data))


def _sides(data: bytes) -> tuple[int, int]:
    with _telling(), _open(data) as image:
        return image.size


@contextmanager
def _telling() -> Iterator[None]:
    """Turn whatever a decoder raises into one line."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        reason = "unknown format" if "identify" in str(error) else " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"does not decode as an image ({reason}): replace or remove it") from error


def _open(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width}x{image.height} pixels are too many")
    return image


def _require_colours(image: Image.Image, frame: Frame) -> None:
    if image.mode not in _GREY | _COLOUR:
        raise ImageError(f"has more than 8 bits a channel (mode {image.mode}): save it with 8")
    if frame.convert or (image.mode in _GREY) == (frame.channels == 1):
        return
    if image.mode in _GREY:
        raise ImageError("is grey where colour is asked: add channels=1, or convert=true to repeat grey thrice")
    raise ImageError("is in colour where grey is asked: add channels=3, or convert=true to keep its luminance")


def _require_size(image: Image.Image, frame: Frame) -> None:
    if frame.like is None or image.size == (frame.size, frame.size):
        return
    width, height = image.size
    raise ImageError(f"is {width}x{height} pixels, but {frame.like} is {frame.size}x{frame.size}: {frame.advice}")


def _pixels(image: Image.Image, frame: Frame) -> npt.NDArray[np.uint8]:
    mode = "L" if frame.channels == 1 else "RGB"
    plain = image.convert("RGBA") if image.mode in {"P", "PA"} else image  # palettes may hold transparency
    plain = plain if plain.mode == mode else plain.convert(mode)
    pixels = np.asarray(_resized(plain, frame) if frame.like is None else plain)
    return pixels[np.newaxis] if frame.channels == 1 else pixels.transpose(2, 0, 1)


def _resized(image: Image.Image, frame: Frame) -> Image.Image:
    method = Image.Resampling.BILINEAR
    if frame.fit == "adm":
        image, method = _halved(image, frame.size), Image.Resampling.BICUBIC
    return image.resize((frame.size, frame.size), method, _BOXES[frame.fit](*image.size, frame.size))


def _halved(image: Image.Image, size: int) -> Image.Image:
    """Halve an image by averaging for as long as its shorter side has twice the pixels wanted."""
    while min(image.size) >= 2 * size:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    return image


def _square(width: int, height: int, size: int) -> Box:
    side = min(width, height) * (7 / 8 if size >= CENTRE_FROM else 1)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def _crop(width: int, height: int, size: int) -> Box:
    """Return what a centre crop shows of an image whose shorter side was scaled to 256 for a size of 224.

    Resizing just that takes half the time of resizing all, and gives the same pixels: torchvision rounds the longer
    side down and the crop's place to whole pixels, so both are found in scaled pixels.
    """
    shorter = size * 256 // 224
    scaled_width, scaled_height = (shorter * side // min(width, height) for side in (width, height))
    left, top = round((scaled_width - size) / 2), round((scaled_height - size) / 2)
    across, down = width / scaled_width, height / scaled_height
    return left * across, top * down, (left + size) * across, (top + size) * down


def _adm(width: int, height: int, size: int) -> Box:
    """Return what a centre crop shows of an image whose shorter side was scaled to the size.

    In the code of ADM (Dhariwal and Nichol 2021), which DiT took over, the longer side is rounded to whole pixels, and
    the crop's place down.
    """
    scale = size / min(width, height)
    scaled_width, scaled_height = round(width * scale), round(height * scale)
    left, top = (scaled_width - size) // 2, (scaled_height - size) // 2
    across, down = width / scaled_width, height / scaled_height
    return left * across, top * down, (left + size) * across, (top + size) * down


def _whole(width: int, height: int, size: int) -> Box:  # noqa: ARG001 - all of it, whatever the size
    return 0, 0, width, height


_BOXES = {"square": _square, "crop": _crop, "squash": _whole, "adm": _adm}
