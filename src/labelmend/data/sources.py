"""One way in: a string, path, arrays, ImageSet or torch data set -> images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, Unpack

from labelmend.data.assemble import EmbedListing, Form, decode_listing, refuse_unreadable
from labelmend.data.benchmarks import is_named
from labelmend.data.decode import SMALLEST, Header, ProgressCallback, default_image_size, read_headers
from labelmend.data.image_set import MEMORY_LIMIT, Images, ImageSet, Skipped
from labelmend.data.label_file import LabelFile
from labelmend.data.listing import Listing
from labelmend.data.manifest import Columns
from labelmend.data.pictures import as_pictures
from labelmend.data.readers import Request, find_reader
from labelmend.data.shared_pictures import warn_of_shared_pictures
from labelmend.data.splits import NO_SPLITS, held_out, standard_split
from labelmend.data.suggested_labels import MIN_CONFIDENCE
from labelmend.errors import DataError, LabelmendWarning, UnlabelledError

HEADERS = 200
"""Images, evenly spaced, whose heads say how large the images of a source are."""


@dataclass(frozen=True)
class UnlabelledImages:
    """N images without labels, of which M could be read.

    Attributes:
        images: the pixels of the M readable ones.
        rows: their places among all, rising.
        ids: N strings; of files their paths.
        paths: N file paths as given ("" where an image has none).
        skipped: what could not be read or was left out, and why; entries of images that have a row name it
            by its path or id.
        notes: what was assumed about the source, one line each, with the flag that changes it.
    """

    images: Images
    rows: list[int]
    ids: list[str]
    paths: list[str]
    skipped: list[Skipped]
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Number of images, unreadable ones included."""
        return len(self.ids)


class ImageColumns(TypedDict, total=False):
    """Where a table has its images.

    Attributes:
        image_column: column of a table that names the images; by default one of a usual name.
        image_root: folder that the file names of a table are relative to; by default that of the table.
    """

    image_column: str | None
    image_root: str | Path | None


class Reading(ImageColumns, total=False):
    """How a source is read; all of it is optional.

    Attributes:
        label_column: column of a table that holds the given labels; by default ``label`` or a usual name.
        group_column: column of a table whose equal values keep images together (of one patient, camera).
        skip_missing: leave out rows of a table whose file is missing, instead of refusing them.
        root: folder of a named benchmark; by default ``$LABELMEND_DATA``.
        partial: whether images that a file of labels does not name keep their label.
        min_confidence: of suggested labels that are taken where the file of labels is that of a run.
    """

    label_column: str
    group_column: str | None
    skip_missing: bool
    root: str | Path | None
    partial: bool
    min_confidence: float


def request_of(
    split: str | None,
    reading: Reading,
    labels: str | Path | None = None,
    *,
    labelled: bool = True,
    channels: int | None = None,
) -> Request:
    """How a source is read; see ``Request``.

    Raises:
        DataError: If the folder that names are relative to is not there.
    """
    image_root = reading.get("image_root")
    columns = Columns(
        label=reading.get("label_column", "label"),
        image=reading.get("image_column"),
        group=reading.get("group_column"),
        root=None if image_root is None else Path(image_root),
        skip_missing=reading.get("skip_missing", False),
        labelled=labelled,
    )
    if columns.root is not None and not columns.root.is_dir():
        raise DataError(
            f"--image-root {columns.root} is not a folder; give the one that the names in the table are "
            "relative to; of a run whose images have moved --data says where they are"
        )
    file = None
    if labels is not None:
        partial, confidence = reading.get("partial", False), reading.get("min_confidence", MIN_CONFIDENCE)
        file = LabelFile(Path(labels), partial, confidence, columns, split)
    return Request(split, columns, reading.get("root"), file, channels)


def read_listing(
    source: Any,
    *,
    split: str | None = None,
    labels: str | Path | None = None,
    **reading: Unpack[Reading],
) -> Listing:
    """List the images of any source without decoding them; see ``load`` for the arguments.

    Raises:
        DataError: If the source is of no known kind, is not there, or is faulty.
    """
    return find_reader(source).read_labelled(source, request_of(split, reading, labels))


def splits_of(source: Any, *, root: str | Path | None = None) -> list[str]:
    """Names of the splits that a source has; empty where it has none.

    Raises:
        DataError: If the source is not there, or of no known kind.
    """
    return find_reader(source).splits(source, root)


def load(
    source: Any,
    *,
    split: str | None = None,
    labels: str | Path | None = None,
    image_size: int | None = None,
    pixel_range: tuple[float, float] | None = None,
    limit: int | None = None,
    class_names: Sequence[str] | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: ProgressCallback | None = None,
    embed: EmbedListing | None = None,
    **reading: Unpack[Reading],
) -> ImageSet:
    """Read images and their given labels from anywhere.

    Args:
        source: a folder, manifest (CSV, TSV, JSON lines, Parquet), ``.npz`` or ``.npy`` file; the name
            ``digits`` or that of a benchmark (names go before paths: write ``./digits`` for a folder);
            a pair (images, labels) of arrays; an ImageSet; a map-style torch data set.
        split: which split to read; by default ``train`` where there are splits.
        labels: file whose labels replace those of the source, for all its images.
        image_size: side in pixels; by default taken from the data (``default_image_size``).
        pixel_range: values that become 0 and 255 in images of more than 8 bits; by default measured.
        limit: use the first images only.
        class_names: classes in index order; by default those of the source, sorted.
        memory_limit: bytes up to which decoded images are held in memory; above, they are decoded
            each time they are asked for.
        progress: called with (images done, images in all) while decoding.
        embed: makes features of the images, which are returned in place of pixels.
        **reading: see ``Reading``.

    Returns:
        The images: square, uint8, grey only if all files are stored as grey, RGB otherwise.

    Raises:
        DataError: If the source or the label file is missing or faulty; if there are fewer than two
            images or classes; if ``class_names`` lacks a class.

    Warns:
        LabelmendWarning: If a class has no image.
    """
    request = request_of(split, reading, labels)
    form = Form(
        size=image_size,
        class_names=class_names,
        pixel_range=pixel_range,
        limit=limit,
        memory_limit=memory_limit,
        progress=progress,
        embed=embed,
    )
    return find_reader(source).load(source, request, form)


def load_test(
    source: Any,
    *,
    like: ImageSet,
    split: str | None = None,
    limit: int | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: ProgressCallback | None = None,
    embed: EmbedListing | None = None,
    **reading: Unpack[Reading],
) -> ImageSet:
    """Read a labelled test set in the form of a training set.

    Args:
        source: as for ``load``.
        like: the training set, whose class names, image size and channels are taken over.
        split: which split to read; by default the source's test split, else its validation split,
            else all of it.
        limit: as for ``load``.
        memory_limit: as for ``load``.
        progress: as for ``load``.
        embed: as for ``load``.
        **reading: see ``Reading``.

    Raises:
        DataError: If a class is unknown to the training set, or the source is faulty.

    Warns:
        LabelmendWarning: If images of it are trained on.
    """
    # Groups say what must not be divided; a test set is not divided any further.
    reading = {**reading, "group_column": None}
    if split is None:
        split = held_out(splits_of(source, root=reading.get("root")))
    size = channels = None
    if embed is None:
        _, size, width, channels = like.images.shape
        if size != width:
            raise DataError(
                f"{like.name}: images of {width} x {size} pixels; only squares can have a test set"
            )
    form = Form(
        size=size,
        channels=channels,
        class_names=like.class_names,
        pixel_range=like.pixel_range,
        limit=limit,
        for_training=False,
        memory_limit=memory_limit,
        progress=progress,
        embed=embed,
    )
    found = find_reader(source).load(source, request_of(split, reading), form)
    if not len(found):
        raise DataError(f"{found.name}: there is no image to test on; --test none leaves it out")
    # What named data sets share is part of them.
    if not is_named(source):
        warn_of_shared_pictures(found, like)
    return found


def load_own_test(
    source: Any,
    *,
    like: ImageSet,
    trained_on: str | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: ProgressCallback | None = None,
    embed: EmbedListing | None = None,
    **reading: Unpack[Reading],
) -> ImageSet | None:
    """The source's own test split (else its validation split), or None if it has neither with labels.

    Takes the arguments of ``load_test``; ``like`` is the training split of the same source, and
    ``trained_on`` its name where it is not the usual one.

    Warns:
        LabelmendWarning: If such a split has no labels.
    """
    if trained_on == NO_SPLITS:
        return None
    splits = splits_of(source, root=reading.get("root"))
    taken = None if trained_on is None else standard_split(trained_on)
    for split in ("test", "val"):
        if split not in splits or split == taken:
            continue
        try:
            return load_test(
                source,
                like=like,
                split=split,
                memory_limit=memory_limit,
                progress=progress,
                embed=embed,
                **reading,
            )
        except UnlabelledError as error:
            warnings.warn(
                f"the {split} split is not scored, as it has no labels: {error} "
                "(--test none leaves it unread, --test SOURCE names another)",
                LabelmendWarning,
                stacklevel=2,
            )
    return None


def load_unlabelled(
    source: Any,
    *,
    image_size: int | None,
    channels: int,
    pixel_range: tuple[float, float] | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: ProgressCallback | None = None,
    embed: EmbedListing | None = None,
    **columns: Unpack[ImageColumns],
) -> UnlabelledImages:
    """Read images to classify; labels, where there are any, are not looked at.

    Args:
        source: an image file, a folder (searched at any depth), a list of those, a manifest, an
            ``.npz`` or ``.npy`` file, a picture in memory (PIL image, array or tensor), a list of those,
            or an array of N images (``is_picture`` tells one from several). Ids and paths of files are
            their paths as given.
        image_size: side in pixels; of no account where they are embedded.
        channels: 1 (grey) or 3 (RGB).
        pixel_range: values that became 0 and 255 in training, where images had more than 8 bits; new
            images of that kind (whole numbers or floats) are scaled by it too.
        memory_limit: as for ``load``.
        progress: as for ``load``.
        embed: as for ``load``.
        **columns: see ``ImageColumns``.

    Raises:
        DataError: If a file is not there, there is no image, or none can be read; if a column or folder is
            named, but no table is read.

    Warns:
        LabelmendWarning: If the scale of images of more than 8 bits is a guess, or does not suit them.
    """
    source = as_pictures(source, channels)
    reading: Reading = {**columns}  # type: ignore[typeddict-item]
    request = request_of(None, reading, labelled=False, channels=channels)
    listing = find_reader(source, labelled=False).read(source, request)
    request.refuse_unused(listing)
    if not len(listing):
        refuse_unreadable(listing, {})
    form = Form(
        size=image_size,
        channels=channels,
        pixel_range=pixel_range,
        for_training=False,
        memory_limit=memory_limit,
        progress=progress,
        embed=embed,
    )
    decoded = decode_listing(listing, form)
    if decoded.warning:
        warnings.warn(decoded.warning, LabelmendWarning, stacklevel=2)
    skipped = [*listing.skipped, *decoded.skipped]
    notes = decoded.listing.notes
    return UnlabelledImages(decoded.images, decoded.rows, listing.ids, listing.paths, skipped, notes)


def usual_size(source: Any, *, split: str | None = None, **reading: Unpack[Reading]) -> int | None:
    """Side in pixels that images of a source would be read at, from the heads of some; None if unknown.

    Args:
        source: as for ``load``.
        split: as for ``load``.
        **reading: see ``Reading``.

    Raises:
        DataError: If the source is faulty.
    """
    # What a named data set is like is known, and some take long to list.
    if is_named(source):
        return None
    listing = find_reader(source).read(source, request_of(split, reading))
    if listing.images is not None:
        return max(listing.images.shape[1], SMALLEST)
    step = max(len(listing) // HEADERS, 1)
    known = [header for header in read_headers(listing.items[::step]) if isinstance(header, Header)]
    return default_image_size(known) if known else None
