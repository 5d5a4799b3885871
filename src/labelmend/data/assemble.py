"""A listing -> an ImageSet: classes, image size, decoding, skipped images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from labelmend.data.bit_depth import RANGE_UNUSED, scale
from labelmend.data.decode import (
    SMALLEST,
    DecodedOnDemand,
    Header,
    ProgressCallback,
    decode_into_memory,
    default_image_size,
    look_through,
    read_headers,
)
from labelmend.data.image_set import MEMORY_LIMIT, Images, ImageSet, MemoryImages, Skipped
from labelmend.data.labels import (
    encode_labels,
    list_classes,
    note_of_indices,
    sort_class_names,
    warn_of_near_names,
    warn_of_no_names,
)
from labelmend.data.listing import Listing
from labelmend.data.resize import resize
from labelmend.data.same_pictures import same_pictures
from labelmend.data.scale_of_new import scale_new
from labelmend.errors import DataError, LabelmendWarning, UnlabelledError


class EmbedListing(Protocol):
    """Makes features of the images of a listing; see ``features.embed_listing``."""

    def __call__(self, listing: Listing) -> tuple[Images, list[int], list[Skipped]]:
        """Features of the readable images, their rows in the listing, and the others."""
        ...


@dataclass(frozen=True)
class Form:
    """The form in which images are wanted; None for what suits the data.

    Attributes:
        size: side in pixels.
        channels: 1 (grey) or 3 (RGB).
        class_names: classes in index order; by default those of the source.
        pixel_range: values that become 0 and 255 in images of more than 8 bits; by default measured. For
            images that are not to train on, that of the training images.
        limit: use the first images only; classes are those of the whole source.
        for_training: whether at least two images and two classes are needed.
        memory_limit: bytes up to which decoded images are held in memory.
        progress: told of the images done so far.
        embed: makes features of them, which are wanted in place of pixels.
    """

    size: int | None = None
    channels: int | None = None
    class_names: Sequence[str] | None = None
    pixel_range: tuple[float, float] | None = None
    limit: int | None = None
    for_training: bool = True
    memory_limit: int = MEMORY_LIMIT
    progress: ProgressCallback | None = None
    embed: EmbedListing | None = None


def class_names_of(listing: Listing) -> list[str] | None:
    """Classes of a listing in index order: as the source fixes them, else those of its labels, sorted."""
    if listing.class_names is not None:
        return listing.class_names
    if listing.labels is None:
        return None
    return sort_class_names(str(label) for label in (*listing.labels, *(listing.true_labels or ())))


def in_form(images: Images, form: Form) -> Images:
    """Images that are decoded already, resized only where the form asks for another size or channels."""
    size = form.size or default_image_size([header_of(images)])
    return resize(images, size, form.channels or images.shape[3], form.memory_limit, form.progress)


def header_of(images: Images) -> Header:
    """Size and greyness of images that are decoded already."""
    _, height, width, channels = images.shape
    return Header(width, height, channels == 1)


@dataclass(frozen=True)
class Decoded:
    """The readable images of a listing.

    Attributes:
        listing: all of its images, with notes on how they were decoded.
        images: those that can be read.
        rows: of them, in the listing.
        skipped: those that cannot be read.
        pixel_range: by which training images of more than 8 bits are scaled, or None.
        like: a key of each image that equal ones share, or None.
        warning: what may make predictions for new images worthless, in one line; "" if there is nothing.
    """

    listing: Listing
    images: Images
    rows: list[int]
    skipped: list[Skipped]
    pixel_range: tuple[float, float] | None = None
    like: list[bytes] | None = None
    warning: str = ""


def decode_listing(listing: Listing, form: Form) -> Decoded:
    """Decode the images of a listing.

    Raises:
        DataError: If none can be read.
    """
    if listing.images is not None:
        images = listing.images
        if form.pixel_range is not None and form.for_training:
            listing = replace(listing, notes=[*listing.notes, RANGE_UNUSED])
        if form.embed is not None:
            return Decoded(listing, *form.embed(listing), form.pixel_range)
        if form.size is None:
            listing = replace(listing, notes=[*listing.notes, *note_of_enlarging([header_of(images)])])
        images = in_form(images, form)
        return Decoded(listing, images, list(range(len(listing))), [], form.pixel_range)
    headers = read_headers(listing.items)
    reasons = {row: header for row, header in enumerate(headers) if isinstance(header, str)}
    known = [header for header in headers if isinstance(header, Header)]
    if not known:
        refuse_unreadable(listing, reasons)
    pixel_range, warning = form.pixel_range, ""
    if form.for_training:
        listing, pixel_range = scale(listing, headers, pixel_range)
    else:
        listing, warning = scale_new(listing, headers, pixel_range)
    if form.embed is not None:
        return Decoded(listing, *form.embed(listing), pixel_range, warning=warning)
    if form.size is None:
        listing = replace(listing, notes=[*listing.notes, *note_of_enlarging(known)])
    size = form.size or default_image_size(known)
    channels = form.channels or (1 if all(header.grey for header in known) else 3)
    rows = [row for row in range(len(listing)) if row not in reasons]
    items = [listing.items[row] for row in rows]
    like = None
    if len(items) * size * size * channels <= form.memory_limit:
        pixels, failures = decode_into_memory(items, size, channels, form.progress)
        images = MemoryImages(pixels)
    else:
        failures, like = look_through(items, channels, form.progress)
        readable = [item for position, item in enumerate(items) if position not in failures]
        images = DecodedOnDemand(readable, size, channels)
    reasons.update({rows[position]: reason for position, reason in failures.items()})
    rows = [row for row in rows if row not in reasons]
    if not rows:
        refuse_unreadable(listing, reasons)
    return Decoded(listing, images, rows, skipped_images(listing, reasons), pixel_range, like, warning)


def note_of_enlarging(headers: Sequence[Header]) -> list[str]:
    """What to say where images of these heads are read at a larger size than any of them has."""
    most = max(max(header.width, header.height) for header in headers)
    if most >= SMALLEST:
        return []
    size = default_image_size(headers)
    return [
        f"images of {most} px are enlarged to {size} px, as networks need some room (--image-size sets it)"
    ]


def skipped_images(listing: Listing, reasons: dict[int, str]) -> list[Skipped]:
    """The images at some rows of a listing, with the reason why each could not be read."""
    return [
        Skipped(listing.paths[row] or listing.ids[row], reason) for row, reason in sorted(reasons.items())
    ]


def refuse_unreadable(listing: Listing, reasons: dict[int, str]) -> None:
    """Raise a DataError that says why no image of a listing can be read."""
    if not reasons:
        raise DataError(f"{listing.name}: there are no images")
    row = min(reasons)
    raise DataError(
        f"{listing.name}: none of the {len(listing)} images can be read; the first is "
        f"{listing.paths[row] or listing.ids[row]}: {reasons[row]}"
    )


def assemble(listing: Listing, form: Form) -> ImageSet:
    """Turn a listing into an ImageSet.

    Args:
        listing: all images of the source, with labels.
        form: what is wanted of them.

    Raises:
        DataError: If there are no labels, too few images or classes, or a class is unknown.

    Warns:
        LabelmendWarning: If a class has no image.
    """
    name = listing.name
    names = list(form.class_names) if form.class_names is not None else class_names_of(listing)
    if listing.labels is None or names is None:
        raise UnlabelledError(f"{name}: the images have no labels; give a file of labels with --labels")
    refuse_equal_names(names, name)
    if form.for_training:
        warn_of_near_names(names, name)
        warn_of_no_names(names, name)
    where = name if form.for_training else partial(_place_in_test_set, listing)
    try:
        given = encode_labels(listing.labels, names, where)
    except DataError as error:
        # A test set in one folder called "unknown" has images, but no labels.
        if not form.for_training and len(set(listing.labels)) == 1:
            raise UnlabelledError(str(error)) from error
        raise _with_advice(error, form) from error
    written = [] if form.for_training else [label for label in listing.labels if isinstance(label, str)]
    indices = note_of_indices(written, names, f"{name}, test set")
    true = None
    if listing.true_labels is not None:
        try:
            true = encode_labels(listing.true_labels, names, where)
        except DataError as error:
            raise _with_advice(error, form) from error
    if form.limit is not None and form.limit < len(listing):
        listing = listing.take(range(form.limit))
    decoded = decode_listing(listing, form)
    if decoded.warning:
        warnings.warn(f"{name}, test set: {decoded.warning}", LabelmendWarning, stacklevel=2)
    rows = decoded.rows
    given = given[rows]
    if form.for_training:
        check_training_set(given, names, name, form.limit)
    found = ImageSet(
        images=decoded.images,
        given_labels=given,
        class_names=names,
        ids=[listing.ids[row] for row in rows],
        paths=[listing.paths[row] for row in rows],
        true_labels=None if true is None else true[rows],
        trusted=None if listing.trusted is None else np.asarray([listing.trusted[row] for row in rows]),
        groups=None if listing.groups is None else [listing.groups[row] for row in rows],
        same_pictures=same_pictures(decoded.images, decoded.like) if form.for_training else [],
        pixel_range=decoded.pixel_range,
        skipped=[*listing.skipped, *decoded.skipped],
        notes=[*decoded.listing.notes, *indices],
        name=name,
        mirror_safe=listing.mirror_safe,
    )
    if form.for_training:
        warn_of_conflicts(found)
    return found


def _place_in_test_set(listing: Listing, row: int) -> str:
    return f"{listing.name}, {listing.paths[row] or listing.ids[row]} of the test set"


def _with_advice(error: DataError, form: Form) -> DataError:
    """What to do about a class of the test set that is not trained on, behind the error."""
    if form.for_training:
        return error
    return DataError(
        f"{error}, or give the class an image to train on; --test none leaves the test set out altogether"
    )


def warn_of_conflicts(image_set: ImageSet) -> None:
    """Warn if one picture stands under several labels: at most one of them is right.

    Warns:
        LabelmendWarning: With the number of such pictures, and the first.
    """
    found = image_set.conflicts()
    if not found:
        return
    names = [image_set.class_names[label] for label in image_set.given_labels[found[0]]]
    shown = [f"{image_set.ids[row]} ({name})" for row, name in zip(found[0][:3], names, strict=False)]
    pictures = "picture stands" if len(found) == 1 else "pictures stand"
    warnings.warn(
        f"{image_set.name}: {len(found):,} {pictures} under more than one label, first "
        f"{' and '.join(shown)}; at most one of the labels is right",
        LabelmendWarning,
        stacklevel=4,
    )


def refuse_equal_names(class_names: Sequence[str], name: str) -> None:
    """Raise a DataError if two classes of the source ``name`` are called the same."""
    if len(set(class_names)) != len(class_names):
        raise DataError(f"{name}: two classes have the same name: {list_classes(sorted(class_names))}")


def check_training_set(given: np.ndarray, names: Sequence[str], name: str, limit: int | None) -> None:
    """Check that there is something to learn from given labels (N,).

    Args:
        given: indices into ``names``.
        names: of the C classes.
        name: of the source, for messages.
        limit: on the number of images, by which classes may be cut off.

    Raises:
        DataError: If there are fewer than two images, or all are of one class.

    Warns:
        LabelmendWarning: If a class has no image.
    """
    first = "" if limit is None else f"first {limit} "
    if len(given) < 2:
        raise DataError(f"{name}: only {len(given)} readable image; at least two are needed")
    present = np.unique(given)
    if len(present) == 1:
        raise DataError(
            f"{name}: all {first}images are of one class, {names[present[0]]!r}; "
            "at least two classes are needed"
        )
    if len(present) < len(names):
        absent = [names[label] for label in sorted(set(range(len(names))) - set(present.tolist()))]
        among = "" if limit is None else f" among the first {limit:,}, which --limit keeps"
        warnings.warn(
            f"{name}: {len(absent)} of the {len(names)} classes have no image{among} "
            f"({list_classes(absent)})",
            LabelmendWarning,
            stacklevel=4,
        )
