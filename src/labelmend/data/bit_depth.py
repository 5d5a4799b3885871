"""Images of more than 8 bits a pixel: one scale for all images of a set."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
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
"""Values that become 0 and 255; those outside are clipped.

Both ends are ``int`` where all images that it was made for hold whole numbers, and ``float`` otherwise: so a
run that is loaded later knows which new images are of the kind that it was trained on.
"""

USUAL = ((0.0, 1.0), (0.0, 255.0), (0.0, 65535.0))
RANGE_UNUSED = "--pixel-range changes nothing, as all images have 8 bits"
_NO_VALUE = 1e30
"""Magnitude from which a float is no measurement: maps mark missing pixels with the largest floats."""
OVERSHOOT = 0.25
"""What resizing and sharpening add at edges, as a share of the range; floats alone can show it."""
SLIVER = 1 / 15
"""Share of a range below which nothing is seen: 12 bits use less of 16, and 0..1 uses less of 0..255."""
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
        outside: shares of values outside 0..1, 0..255 and 0..65535.
        beyond_8_bits: share of values of a magnitude above 255.
        not_a_number: whether there are pixels that are no number (NaN).
    """

    low: float
    high: float
    inner_low: float
    inner_high: float
    whole: bool
    missing: float | None = None
    outside: tuple[float, ...] = (0.0, 0.0, 0.0)
    beyond_8_bits: float = 0.0
    not_a_number: bool = False


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
        highest = opacity.max()
        most = next(top for _, top in USUAL if highest <= top * (1 + OVERSHOOT) or top == USUAL[-1][1])
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
    outside = tuple(float(((finite < 0) | (finite > top)).mean()) for _, top in USUAL)
    beyond = float((np.abs(finite) > 255).mean())
    nan = not whole and bool(np.isnan(colours).any())
    return Spread(low, high, inner_low, inner_high, whole, missing, outside, beyond, nan)


def choose_range(spreads: Sequence[Spread]) -> PixelRange:
    """One range for training images of these spreads.

    0..255 for whole numbers that fit; else the usual 0..1, 0..255 or 0..65535 if they span half of it; else
    from the smallest value to the largest, single outliers aside.
    """
    low, high = extremes(spreads)
    whole = all(s.whole for s in spreads)
    if whole and low >= 0 and high <= 255:
        return 0.0, 255.0
    low, high = without_outliers(spreads)
    for usual in USUAL[whole:]:
        if low >= 0 and high <= usual[1] and (high - low >= usual[1] / 2 or high == low):
            return usual
    return low, high if high > low else low + 1


def extremes(spreads: Sequence[Spread]) -> tuple[float, float]:
    """Smallest and largest value of all images."""
    return min(s.low for s in spreads), max(s.high for s in spreads)


def without_outliers(spreads: Sequence[Spread]) -> tuple[float, float]:
    """Smallest and largest value, or the inner ones where single outliers stretch the range fourfold."""
    low, high = extremes(spreads)
    inner_low, inner_high = min(s.inner_low for s in spreads), max(s.inner_high for s in spreads)
    return (inner_low, inner_high) if 0 < inner_high - inner_low < (high - low) / 4 else (low, high)


def is_of_whole_numbers(pixel_range: PixelRange) -> bool:
    """Whether all images that a range was made for hold whole numbers."""
    return all(isinstance(end, int) for end in pixel_range)


def _of_kind(pixel_range: PixelRange, *, floats: bool) -> PixelRange:
    """The range with ends of the type that says whether its images hold floats; see ``PixelRange``."""
    low, high = float(pixel_range[0]), float(pixel_range[1])
    if floats or not (low.is_integer() and high.is_integer()):
        return low, high
    return int(low), int(high)


def scale(
    listing: Listing, headers: Sequence[Header | str], pixel_range: PixelRange | None
) -> tuple[Listing, PixelRange | None]:
    """The listing of training images with those of more than 8 bits scaled in one way.

    Args:
        listing: N images that are not decoded.
        headers: of each, or why it cannot be read.
        pixel_range: what to scale by; None to measure the images, which decodes them once. Where it is
            given, those of floats are decoded all the same, to tell of pixels that are no number.

    Returns:
        The listing, with a note of what was measured, and the range to scale further images by; None where
        all have 8 bits.

    Raises:
        DataError: If no pixel of them has a finite value.
    """
    known = [header for header in headers if isinstance(header, Header)]
    deep = deep_rows(headers)
    notes = [*listing.notes, *note_of_cut(known)]
    if not deep:
        if pixel_range is not None:
            notes.append(RANGE_UNUSED)
        return replace(listing, notes=notes), pixel_range
    if pixel_range is not None:
        floats = [row for row, header in enumerate(headers) if isinstance(header, Header) and header.floats]
        notes += note_of_nan(list(_spreads(listing, floats).values()))
    else:
        spreads = _spreads(listing, deep)
        found = list(spreads.values())
        if not found:
            raise DataError(f"{listing.name}: no pixel of the {len(deep)} images has a finite value")
        pixel_range = choose_range(found)
        if missing := missing_values(found):
            notes.append(f"pixels of {missing} count as missing and are black (--pixel-range includes them)")
        notes += note_of_nan(found)
        if pixel_range not in USUAL[:2]:
            low, high = map(number, pixel_range)
            notes.append(
                f"{len(deep):,} images have more than 8 bits: {low} becomes black and {high} white, in all "
                f"of them and in those to test and classify (--pixel-range {low},{high} sets it)"
            )
        notes += _note_of_dark(listing, spreads, pixel_range)
    if len(deep) < len(known):
        notes.append(
            f"{len(known) - len(deep):,} of {len(known):,} images have 8 bits, the others more; check with "
            "--pixel-range that they are alike"
        )
    items = list(listing.items)
    for row in deep:
        items[row] = Scaled(items[row], pixel_range)
    of_floats = any(header.floats for header in known if header.deep)
    return replace(listing, items=items, notes=notes), _of_kind(pixel_range, floats=of_floats)


def _spreads(listing: Listing, rows: Sequence[int]) -> dict[int, Spread]:
    """What the pixels of some images are, by row; those without a finite one are left out."""
    measured = zip(rows, in_threads(spread, [listing.items[row] for row in rows]), strict=True)
    return {row: found for row, found in measured if isinstance(found, Spread)}


def deep_rows(headers: Sequence[Header | str]) -> list[int]:
    """Rows of the images of more than 8 bits."""
    return [row for row, header in enumerate(headers) if isinstance(header, Header) and header.deep]


def note_of_cut(headers: Sequence[Header]) -> list[str]:
    """What to say of images whose lower 8 bits are not read."""
    cut = sum(header.cut for header in headers)
    return [f"{cut:,} images of 16-bit colours are read with the upper 8 bits only"] if cut else []


def note_of_nan(spreads: Sequence[Spread]) -> list[str]:
    """What to say of images with pixels that are no number."""
    images = sum(s.not_a_number for s in spreads)
    return [f"{images:,} images have pixels that are no number (NaN), which are black"] if images else []


def _note_of_dark(listing: Listing, spreads: Mapping[int, Spread], pixel_range: PixelRange) -> list[str]:
    """What to say of images that use hardly any of the range of the others: they may be on another scale."""
    low, high = pixel_range
    dark = [row for row, s in spreads.items() if low < s.high < low + (high - low) * SLIVER]
    if not dark:
        return []
    lowest, highest = extremes([spreads[row] for row in dark])
    first = listing.paths[dark[0]] or listing.ids[dark[0]]
    return [
        f"{len(dark):,} of {len(spreads):,} images of more than 8 bits use only {number(lowest)} to "
        f"{number(highest)} of {number(low)} to {number(high)}, so that hardly anything is seen in them "
        f"(first {first}); if they are on another scale, bring them on that of the others, or set one for "
        "all with --pixel-range"
    ]


def missing_values(spreads: Sequence[Spread]) -> str:
    """The values that stand for no value, in words; "" if there are none."""
    values = sorted({s.missing for s in spreads if s.missing is not None})
    return list_classes([number(value) for value in values]) if values else ""


def number(value: float) -> str:
    """A value as it is written in messages."""
    return f"{value:.10g}"
