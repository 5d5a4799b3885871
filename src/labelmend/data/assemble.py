"""A listing -> an ImageSet: classes, image size, decoding, skipped images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelmend.data.decode import (
    DecodedOnDemand,
    Header,
    ProgressCallback,
    decode_into_memory,
    default_image_size,
    find_unreadable,
    read_headers,
)
from labelmend.data.image_set import Images, ImageSet, MemoryImages, Skipped
from labelmend.data.labels import encode_labels, list_classes, sort_class_names
from labelmend.data.listing import Listing
from labelmend.errors import DataError, LabelmendWarning

MEMORY_LIMIT = 4 * 2**30
"""Bytes up to which decoded images are held in memory."""


@dataclass(frozen=True)
class Format:
    """How images are decoded; None for what suits the data.

    Attributes:
        size: side in pixels.
        channels: 1 (grey) or 3 (RGB).
        memory_limit: bytes up to which decoded images are held in memory.
        progress: told of the images done so far.
    """

    size: int | None = None
    channels: int | None = None
    memory_limit: int = MEMORY_LIMIT
    progress: ProgressCallback | None = None


def class_names_of(listing: Listing) -> list[str] | None:
    """Classes of a listing in index order: as the source fixes them, else those of its labels, sorted."""
    if listing.class_names is not None:
        return listing.class_names
    if listing.labels is None:
        return None
    return sort_class_names(str(label) for label in (*listing.labels, *(listing.true_labels or ())))


def _fits(images: Images, format: Format) -> bool:
    _, height, width, channels = images.shape
    size = default_image_size([Header(width, height, False)]) if format.size is None else format.size
    return height == width == size and format.channels in (None, channels)


def decode_listing(listing: Listing, format: Format) -> tuple[Images, list[int], list[Skipped]]:
    """Decode the images of a listing.

    Returns:
        The readable images, their rows in the listing, and the images that could not be read.

    Raises:
        DataError: If none can be read.
    """
    if listing.images is not None and _fits(listing.images, format):
        return listing.images, list(range(len(listing))), []
    headers = read_headers(listing.items)
    reasons = {row: header for row, header in enumerate(headers) if isinstance(header, str)}
    known = [header for header in headers if isinstance(header, Header)]
    if not known:
        _refuse_unreadable(listing, reasons)
    size = format.size or default_image_size(known)
    channels = format.channels or (1 if all(header.grey for header in known) else 3)
    rows = [row for row in range(len(listing)) if row not in reasons]
    items = [listing.items[row] for row in rows]
    images: Images
    if len(items) * size * size * channels <= format.memory_limit:
        pixels, failures = decode_into_memory(items, size, channels, format.progress)
        images = MemoryImages(pixels)
    else:
        failures = find_unreadable(items, channels, format.progress)
        readable = [item for position, item in enumerate(items) if position not in failures]
        images = DecodedOnDemand(readable, size, channels)
    reasons.update({rows[position]: reason for position, reason in failures.items()})
    rows = [row for row in rows if row not in reasons]
    if not rows:
        _refuse_unreadable(listing, reasons)
    skipped = [
        Skipped(listing.paths[row] or listing.ids[row], reason) for row, reason in sorted(reasons.items())
    ]
    return images, rows, skipped


def _refuse_unreadable(listing: Listing, reasons: dict[int, str]) -> None:
    if not reasons:
        raise DataError(f"{listing.name}: there are no images")
    row = min(reasons)
    raise DataError(
        f"{listing.name}: none of the {len(listing)} images can be read; the first is "
        f"{listing.paths[row] or listing.ids[row]}: {reasons[row]}"
    )


def assemble(
    listing: Listing,
    format: Format,
    *,
    class_names: Sequence[str] | None = None,
    limit: int | None = None,
    for_training: bool = True,
) -> ImageSet:
    """Turn a listing into an ImageSet.

    Args:
        listing: all images of the source, with labels.
        format: how to decode them.
        class_names: classes in index order; by default those of the source.
        limit: use the first images only; classes are those of the whole source.
        for_training: whether at least two images and two classes are needed.

    Raises:
        DataError: If there are no labels, too few images or classes, or a class is unknown.

    Warns:
        LabelmendWarning: If a class has no image.
    """
    name = listing.name
    names = list(class_names) if class_names is not None else class_names_of(listing)
    if listing.labels is None or names is None:
        raise DataError(f"{name}: the images have no labels; give a file of labels with --labels")
    if len(set(names)) != len(names):
        raise DataError(f"{name}: two classes have the same name: {list_classes(sorted(names))}")
    given = encode_labels(listing.labels, names, name)
    true = None if listing.true_labels is None else encode_labels(listing.true_labels, names, name)
    if limit is not None and limit < len(listing):
        listing = listing.take(range(limit))
    images, rows, skipped = decode_listing(listing, format)
    given = given[rows]
    if for_training:
        _check_training_set(given, names, name, limit)
    return ImageSet(
        images=images,
        given_labels=given,
        class_names=names,
        ids=[listing.ids[row] for row in rows],
        paths=[listing.paths[row] for row in rows],
        true_labels=None if true is None else true[rows],
        trusted=None if listing.trusted is None else np.asarray([listing.trusted[row] for row in rows]),
        skipped=[*listing.skipped, *skipped],
        name=name,
        mirror_safe=listing.mirror_safe,
    )


def _check_training_set(given: np.ndarray, names: Sequence[str], name: str, limit: int | None) -> None:
    first = "" if limit is None else f"first {limit} "
    if len(given) < 2:
        raise DataError(f"{name}: only {len(given)} readable image; at least two are needed")
    present = np.unique(given)
    if len(present) == 1:
        raise DataError(
            f"{name}: all {first}images are of one class, {names[present[0]]!r}; "
            "at least two classes are needed"
        )
    if limit is None and len(present) < len(names):
        absent = [names[label] for label in sorted(set(range(len(names))) - set(present.tolist()))]
        warnings.warn(
            f"{name}: {len(absent)} of the {len(names)} classes have no image ({list_classes(absent)})",
            LabelmendWarning,
            stacklevel=3,
        )
