"""From the bytes of an image file to pixels. The bytes are a stranger's."""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from ddbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# Named, because Pillow would also hand some formats to interpreters (EPS to Ghostscript).
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 2**30 // 12  # where Pillow begins to warn of decompression bombs; here it is an error
_PLAIN = {"L": "grey", "RGB": "in colour"}
_CONVERTIBLE = {**_PLAIN, "1": "black and white", "LA": "grey and transparent", "RGBA": "transparent", "CMYK": "CMYK"}
_CONVERTIBLE |= {"P": "of a palette", "PA": "of a palette", "YCbCr": "YCbCr", "LAB": "LAB", "HSV": "HSV"}


Form = Literal["uint8", "unit", "normalised"]


@dataclass(frozen=True, slots=True)
class Frame:
    """What every image becomes, and how pixels of tensors are to be understood.

    Attributes:
        size: height and width in pixels.
        channels: 1 or 3.
        resize: resize images of other sizes instead of refusing them.
        convert: turn grey into colour, colour into grey and drop transparency instead of refusing them.
        form: of the pixels of tensors; None to tell it from their range.
        mean: per channel, of normalised pixels.
        std: per channel, likewise.
    """

    size: int
    channels: int
    resize: bool
    convert: bool
    form: Form | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def mode(self) -> str:
        """What Pillow calls it."""
        return "L" if self.channels == 1 else "RGB"


def inspect(data: bytes, frame: Frame, where: str) -> None:
    """Read the header of an image.

    Raises:
        UserError: the bytes are no image, or one of another size or kind; ``where`` names the file.
    """
    with _telling(where), _open(data) as image:
        _require(image, frame, where)


def load(data: bytes, frame: Frame, where: str) -> npt.NDArray[np.uint8]:
    """Return an image as uint8 (C, H, W).

    Where that is asked, the square in its centre is resized, bilinearly with antialiasing, transparency is dropped and
    grey repeated thrice or colour reduced to its luminance.

    Raises:
        UserError: as ``inspect``, or the image is damaged.
    """
    with _telling(where), _open(data) as image:
        _require(image, frame, where)
        return _framed(image, frame)


def reshaped(pixels: npt.NDArray[np.uint8], frame: Frame) -> npt.NDArray[np.uint8]:
    """Return uint8 (C, H, W) in the frame's size and channels, by the rules of ``load``."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    return _framed(image, frame)


@contextmanager
def _telling(where: str) -> Iterator[None]:
    """Turn whatever a decoder raises or warns of into one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of harmless faults in metadata, and of what is refused by its size below
            yield
    except UserError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        reason = "unknown format" if "identify" in text else text or type(error).__name__
        raise UserError(f"{where} does not decode as an image ({reason}): replace or remove it") from error


def _open(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width}x{image.height} pixels are too many")
    return image


def _require(image: Image.Image, frame: Frame, where: str) -> None:
    require_kind(_kind(image, where), image.mode == frame.mode, frame, where)
    require_size(image.width, image.height, frame, where)


def _kind(image: Image.Image, where: str) -> str:
    """Say in words what colours an image has."""
    deep = any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))  # Pillow would cut such RGB to 8 bits
    if deep or image.mode not in _CONVERTIBLE:
        raise UserError(f"{where} has more than 8 bits a channel (mode {image.mode}): save it with 8")
    return _CONVERTIBLE[image.mode]


def require_kind(kind: str, fits: bool, frame: Frame, where: str) -> None:
    """Raise a UserError unless an image fits the frame's channels, or may be converted."""
    if not fits and not frame.convert:
        raise UserError(
            f"{where} is {kind} where the data set is {_PLAIN[frame.mode]}: convert it, or allow that by --convert "
            "(convert=true)"
        )


def require_size(width: int, height: int, frame: Frame, where: str) -> None:
    """Raise a UserError unless an image has the frame's size, or may be resized."""
    if (width, height) != (frame.size, frame.size) and not frame.resize:
        raise UserError(
            f"{where} is {width}x{height} pixels where the data set has {frame.size}x{frame.size}: "
            "resize it, or allow that by --resize (resize=true)"
        )


def _framed(image: Image.Image, frame: Frame) -> npt.NDArray[np.uint8]:
    plain = image.convert("RGBA") if image.mode in {"P", "PA"} else image  # palettes may hold transparency
    plain = plain if plain.mode == frame.mode else plain.convert(frame.mode)
    if plain.size != (frame.size, frame.size):
        plain = plain.resize((frame.size, frame.size), Image.Resampling.BILINEAR, _square(*plain.size))
    pixels = np.asarray(plain)
    return pixels[np.newaxis] if frame.channels == 1 else pixels.transpose(2, 0, 1)


def _square(width: int, height: int) -> tuple[float, float, float, float]:
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side
