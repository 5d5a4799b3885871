"""Images of more than 8 bits a pixel: one scale for all images of a set."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from labelmend.data.decode import Header, in_threads
from labelmend.data.image_file import DEEP_MODES, Encoded, fetch, is_cut
from labelmend.data.labels import list_classes
from labelmend.data.listing import Listing
from labelmend.errors import DataError

PixelRange = tuple[float, float]
"""Values that become 0 and 255; those outside are clipped."""

_USUAL = ((0.0, 1.0), (0.0, 255.0), (0.0, 65535.0))
RANGE_UNUSED = "--pixel-range changes nothing, as all images have 8 bits"
_NO_VALUE = 1e30
"""Magnitude from which a float is no measurement: maps mark missing pixels with the largest floats."""
_MISSING = (-999.0, -9999.0, -99999.0, -32767.0, -32768.0, -2147483648.0)
"""What maps write where nothing was measured, if all other values are far from it."""


@dataclass(frozen=True)
class Spread:
    """Values of one image: the extremes, and what all but a thousandth at either end lie between.

    Attributes:
        low: the smallest.
        high: the largest.
        inner_low: the quantile of a thousandth.
        inner_high: the quantile of 999 thousandths.
        whole: whether they are stored as whole numbers.
        missing: a value that stands for no value, and does not count; None if there is none.
    """

    low: float
    high: float
    inner_low: float
    inner_high: float
    whole: bool
    missing: float | None = None


@dataclass(frozen=True)
class Scaled:
    """An image of more than 8 bits that opens as one of 8."""

    item: Encoded
    pixel_range: PixelRange

    def open(self) -> Image.Image:
        """The image with the low end of the range black and the high end white."""
        values = deep_values(self.item)
        if not np.isfinite(values).any():
            raise ValueError("no pixel has a finite value")
        pixels = to_8_bits(values, self.pixel_range)
        return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def deep_values(item: Encoded) -> np.ndarray:
    """Pixels as they are stored, (H, W, C), of an image of more than 8 bits.

    Raises:
        ValueError: If the image has turned into one of 8 bits.
    """
    image = fetch(item)
    if isinstance(image, np.ndarray):
        return image
    if image.mode in DEEP_MODES:
        return np.asarray(image)[..., None]
    if not is_cut(image):
        raise ValueError("is no longer an image of more than 8 bits")
    import torch
    from torchvision.io import ImageReadMode, decode_image

    data = item.read_bytes() if isinstance(item, Path) else item
    if not isinstance(data, bytes):
        stream = io.BytesIO()
        image.save(stream, "PNG")
        data = stream.getvalue()
    tensor = decode_image(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.UNCHANGED)
    values: np.ndarray = tensor.permute(1, 2, 0).numpy()
    return values


def to_8_bits(values: np.ndarray, pixel_range: PixelRange) -> np.ndarray:
    """Scale values (H, W, C) to uint8 (H, W, 1 or 3); of C = 2 or 4 the last is opacity, laid over white.

    What is no number is black.
    """
    low, high = pixel_range
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    scaled = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0), 0, 255)
    if scaled.shape[2] in (2, 4):
        opacity = values[..., -1:].astype(np.float64)
        most = next(top for _, top in _USUAL if opacity.max() <= top or top == _USUAL[-1][1])
        opacity = np.clip(opacity / most, 0, 1)
        scaled = scaled[..., :-1] * opacity + 255 * (1 - opacity)
    return np.rint(scaled).astype(np.uint8)


def spread(item: Encoded) -> Spread:
    """How the values of one image are spread.

    Raises:
        ValueError: If none is finite.
    """
    values = deep_values(item)
    colours = values[..., : {2: 1, 4: 3}.get(values.shape[2], values.shape[2])]
    whole = not np.issubdtype(colours.dtype, np.floating)
    finite = colours.astype(np.float64).ravel()
    finite = finite[np.abs(finite) < _NO_VALUE]  # False for NaN too
    lowest = finite.min(initial=0)
    others, missing = finite[finite > lowest], None
    if lowest in _MISSING and (others >= lowest / 2).all():
        finite, missing = others, float(lowest)
    if not len(finite):
        raise ValueError("no pixel has a finite value")
    low, inner_low, inner_high, high = np.quantile(finite, (0, 0.001, 0.999, 1)).tolist()
    return Spread(low, high, inner_low, inner_high, whole, missing)


def choose_range(spreads: Sequence[Spread], used: float = 0.5) -> PixelRange:
    """One range for images of these spreads.

    0..255 for whole numbers that fit; else the usual 0..1, 0..255 or 0..65535 if enough of it is used; else
    from the smallest value to the largest, single outliers aside.

    Args:
        spreads: of the images.
        used: share of a usual range that they must span; a few images to classify may span less.
    """
    low, high = min(s.low for s in spreads), max(s.high for s in spreads)
    whole = all(s.whole for s in spreads)
    if whole and low >= 0 and high <= 255:
        return 0.0, 255.0
    inner_low, inner_high = min(s.inner_low for s in spreads), max(s.inner_high for s in spreads)
    if 0 < inner_high - inner_low < (high - low) / 4:
        low, high = inner_low, inner_high
    for usual in _USUAL[whole:]:
        if low >= 0 and high <= usual[1] and (high - low >= used * usual[1] or high == low):
            return usual
    return low, high if high > low else low + 1


def scale(
    listing: Listing, headers: Sequence[Header | str], pixel_range: PixelRange | None, used: float = 0.5
) -> tuple[Listing, PixelRange | None]:
    """The listing with images of more than 8 bits scaled in one way.

    Args:
        listing: N images that are not decoded.
        headers: of each, or why it cannot be read.
        pixel_range: what to scale by; None to measure the images, which decodes them once.
        used: as for ``choose_range``.

    Returns:
        The listing, with a note of what was measured, and the range to scale further images by; None where
        each may be taken as it is: of 8 bits, or in 0..1 or 0..255.

    Raises:
        DataError: If no pixel of them has a finite value.
    """
    known = [header for header in headers if isinstance(header, Header)]
    deep = [row for row, header in enumerate(headers) if isinstance(header, Header) and header.deep]
    notes = list(listing.notes)
    cut = sum(header.cut for header in known)
    if cut:
        notes.append(f"{cut:,} images of 16-bit colours are read with the upper 8 bits only")
    if not deep:
        if pixel_range is not None and used:
            notes.append(RANGE_UNUSED)
        return replace(listing, notes=notes), pixel_range
    if pixel_range is None:
        found = [s for s in in_threads(spread, [listing.items[row] for row in deep]) if isinstance(s, Spread)]
        if not found:
            raise DataError(f"{listing.name}: no pixel of the {len(deep)} images has a finite value")
        chosen = choose_range(found, used)
        missing = sorted({s.missing for s in found if s.missing is not None})
        if missing:
            values = list_classes([f"{value:.10g}" for value in missing])
            notes.append(f"pixels of {values} count as missing and are black (--pixel-range includes them)")
        if chosen not in _USUAL[:2]:
            pixel_range = chosen
            low, high = (f"{end:.10g}" for end in chosen)
            notes.append(
                f"{len(deep):,} images have more than 8 bits: {low} becomes black and {high} white, in all "
                f"of them and in those to test and classify (--pixel-range {low},{high} sets it)"
            )
    else:
        chosen = pixel_range
    if len(deep) < len(known):
        notes.append(
            f"{len(known) - len(deep):,} of {len(known):,} images have 8 bits, the others more; check with "
            "--pixel-range that they are alike"
        )
    items = list(listing.items)
    for row in deep:
        items[row] = Scaled(items[row], chosen)
    return replace(listing, items=items, notes=notes), pixel_range
