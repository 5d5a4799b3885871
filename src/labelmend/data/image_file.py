"""One encoded image -> uint8 pixels of a square grey or RGB image."""

from __future__ import annotations

import contextlib
import io
import math
from functools import cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
IMAGE_SUFFIXES = HEIF_SUFFIXES.union(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
    (".png", ".apng", ".bmp", ".dib", ".gif", ".webp", ".avif", ".avifs", ".tif", ".tiff"),
    (".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".tga", ".pcx", ".qoi", ".dds", ".ico", ".psd", ".sgi", ".ras"),
)
"""Of files that are listed as images, to train on and to classify alike."""
SNIFFED_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "JPEG2000", "AVIF")
"""Formats by which a file without a suffix is known as an image."""
DEEP_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N", "F"})
_GREY_MODES = DEEP_MODES | {"1", "L", "LA", "La"}


class OpensItself(Protocol):
    """An image that knows how to open itself, e.g. an item of a torch data set."""

    def open(self) -> Image.Image:
        """The image, not resized."""
        ...


@runtime_checkable
class FetchesItself(Protocol):
    """An image that may be an array of more than 8 bits, e.g. an item of a torch data set."""

    def open(self) -> Image.Image:
        """The image, not resized."""
        ...

    def fetch(self) -> Image.Image | np.ndarray:
        """The image, or its values (H, W, 1, 3 or 4) as they are stored."""
        ...


Encoded = Path | bytes | np.ndarray | OpensItself


def open_image(item: Encoded) -> Image.Image:
    """Open an image without decoding its pixels, where its format allows.

    Args:
        item: a file, the bytes of one, a uint8 array (H, W, 1, 3 or 4), or an object with ``open()``.
    """
    if isinstance(item, Path):
        _ready_for(item)
        return Image.open(item, formats=_formats())
    if isinstance(item, bytes):
        return Image.open(io.BytesIO(item), formats=_formats())
    if isinstance(item, np.ndarray):
        return Image.fromarray(item[..., 0] if item.shape[-1] == 1 else item)
    return item.open()


def fetch(item: Encoded) -> Image.Image | np.ndarray:
    """An image as ``open_image`` opens it; an array in memory of more than 8 bits as it is."""
    if isinstance(item, FetchesItself):
        found = item.fetch()
        return found if isinstance(found, Image.Image) or found.dtype != np.uint8 else open_image(found)
    return item if isinstance(item, np.ndarray) and item.dtype != np.uint8 else open_image(item)


def is_cut(image: Image.Image) -> bool:
    """Whether Pillow drops the lower 8 bits of an image of 16-bit colours."""
    return image.mode not in DEEP_MODES and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def image_bytes(path: Path) -> bytes:
    """The bytes of an image file, for ``open_image``."""
    _ready_for(path)
    return path.read_bytes()


def _ready_for(path: Path) -> None:
    # Opening a pipe waits for its other end, and a device may never end.
    if path.exists() and not path.is_file():
        raise OSError("not a file (a folder, pipe, socket or device)")
    if path.suffix.lower() in HEIF_SUFFIXES:
        _register_heif()


@cache
def _formats() -> tuple[str, ...]:
    """Formats of the suffixes that are read, whatever a file is called.

    Pillow would hand others to programs of the system, e.g. PostScript to Ghostscript.
    """
    Image.init()
    return tuple({kind for suffix, kind in Image.EXTENSION.items() if suffix in IMAGE_SUFFIXES})


@cache
def _register_heif() -> None:
    """Teach Pillow to open HEIF files, as far as is possible here."""
    try:
        import pillow_heif
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("HEIC files need pillow-heif (pip install pillow-heif)") from error
    pillow_heif.register_heif_opener()
    _formats.cache_clear()


def failure_reason(error: Exception) -> str:
    """Why an image could not be read, in words that do not change between runs."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image in a known format"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{error}" or type(error).__name__


def is_grey(image: Image.Image) -> bool:
    """Whether an image is stored as grey: a grey mode, or a palette of greys.

    An RGB image is a colour image even if all its pixels are grey.
    """
    if image.mode == "P":
        palette = np.asarray(image.getpalette("RGB") or [], dtype=np.int64).reshape(-1, 3)
        return bool((palette == palette[:, :1]).all())
    return image.mode in _GREY_MODES


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Grey image of 16 bits or of floats in [0, 1] (or [0, 255]) -> 8 bits a pixel."""
    values = np.asarray(image, dtype=np.float64)
    scale = 1 / 257 if image.mode != "F" else 255.0 if values.max() <= 1 else 1.0
    return Image.fromarray(np.clip(np.rint(values * scale), 0, 255).astype(np.uint8))


def standard_mode(image: Image.Image, channels: int) -> Image.Image:
    """The image as L (``channels`` 1) or RGB (3); transparency is laid over white.

    16-bit greys are divided by 257, so that 65,535 becomes 255.
    """
    if image.mode in DEEP_MODES:
        image = _to_8_bits(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, "white")
        image.alpha_composite(layer)
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def upright(image: Image.Image, channels: int) -> Image.Image:
    """The image in a standard mode, turned as its EXIF block says."""
    image.load()
    # A damaged EXIF block says nothing about the pixels.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    return standard_mode(image, channels)


def square_pixels(
    item: Encoded,
    size: int,
    channels: int,
    crop: float = 1.0,
    interpolation: str = "bilinear",
    keep_aspect: bool = True,
) -> np.ndarray:
    """Decode one image: EXIF rotation, standard mode, centre square, antialiased resize.

    Scaling the shorter side to ``size / crop`` and cropping the centre is the same as scaling a centre square
    of ``crop`` times the shorter side, which is what is done, in one step.

    Args:
        item: the encoded image.
        size: side in pixels of the result.
        channels: 1 (grey) or 3 (RGB).
        crop: side of the centre square as a share of the shorter side, in (0, 1].
        interpolation: ``nearest``, ``bilinear``, ``bicubic``, ``box``, ``hamming`` or ``lanczos``.
        keep_aspect: whether a square is cut out; otherwise ``crop`` of both sides, which become equal.

    Returns:
        uint8 array of shape (size, size, channels).
    """
    image = open_image(item)
    if image.format == "JPEG":
        # Decodes a large photo at 1/2, 1/4 or 1/8 of its size, never below twice what is needed.
        needed = math.ceil(2 * size / crop)
        image.draft(None, (needed, needed))
    image = standard_mode(image, channels) if isinstance(item, np.ndarray) else upright(image, channels)
    kept = [crop * (min(image.size) if keep_aspect else side) for side in image.size]
    if image.size != (size, size) or kept != [size, size]:
        left, top = ((side - part) / 2 for side, part in zip(image.size, kept, strict=True))
        box = (left, top, left + kept[0], top + kept[1])
        image = image.resize((size, size), Image.Resampling[interpolation.upper()], box=box)
    return np.asarray(image).reshape(size, size, channels)
