"""The pictures of a run by id, from the data that it was trained on."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from PIL import Image

from labelmend.config import DataSettings
from labelmend.data import sources
from labelmend.data.bit_depth import PixelRange, Scaled, Spread, spread
from labelmend.data.decode import Header, in_threads, read_headers
from labelmend.data.image_file import Encoded, failure_reason, is_grey, open_image, upright
from labelmend.data.labels import encode_labels
from labelmend.data.listing import Listing
from labelmend.data.scale_of_new import choose_range_of_new
from labelmend.errors import DataError, LabelmendError, RunError
from labelmend.runs import folder as run_folder
from labelmend.runs.jobs import reading_of
from labelmend.runs.journal import moved_images
from labelmend.runs.records import ModelRecord, read_record
from labelmend.runs.same_pixels import check_pixels
from labelmend.runs.verified import verified_labels
from labelmend.runs.whereabouts import find_data
from labelmend.verdicts.frame import read_parquet

Format = Literal["png", "jpeg", "webp"]
QUALITY = 82

SAMPLE = 64
"""Images, evenly spaced, by which the scale is told that an older run did not keep."""

LOSSLESS_UP_TO = 16
"""Side in pixels up to which compression that blurs would blur everything."""


@dataclass(frozen=True)
class RunPictures:
    """Pictures of the training images of a run, decoded when they are asked for.

    Attributes:
        listing: the images of the source.
        rows: row of each id in the listing; images of the run that have gone have none.
        pixel_range: values that become black and white in images of more than 8 bits; None where there are
            none, or an older version, which kept none, took them as 0..1 or 0..255.
        notice: what is not as it was, in one line, though pictures can be shown; "" where all is.
    """

    listing: Listing
    rows: Mapping[str, int]
    pixel_range: PixelRange | None = None
    notice: str = ""

    def __contains__(self, image_id: object) -> bool:
        """Whether there is a picture of this id."""
        return image_id in self.rows

    def __len__(self) -> int:
        """Number of images of the run that are still there."""
        return len(self.rows)

    def item(self, image_id: str) -> Encoded:
        """The encoded image, of 8 bits a pixel when it is opened.

        Raises:
            DataError: If the run has no such image, or its data has none any more.
        """
        if image_id not in self.rows:
            raise DataError(f"{self.listing.name}: there is no image {image_id!r}")
        row = self.rows[image_id]
        if self.listing.images is not None:
            pixels: np.ndarray = self.listing.images.gather(torch.tensor([row]))[0].cpu().numpy()
            return pixels
        item = self.listing.items[row]
        (header,) = read_headers([item])
        if not isinstance(header, Header) or not header.deep:
            return item
        return Scaled(item, self.pixel_range or self._range_of_older_run)

    @cached_property
    def _range_of_older_run(self) -> PixelRange:
        """0..1 or 0..255, as some of the images say together: a dark one alone would be taken for 0..1."""
        step = max(len(self.listing) // SAMPLE, 1)
        items = list(self.listing.items[::step])
        deep = [
            item
            for item, header in zip(items, read_headers(items), strict=True)
            if isinstance(header, Header) and header.deep
        ]
        spreads = [found for found in in_threads(spread, deep) if isinstance(found, Spread)]
        return choose_range_of_new(spreads) if spreads else (0.0, 255.0)

    def image(self, image_id: str, side: int | None = None) -> Image.Image:
        """The picture, upright, grey (L) or RGB.

        Args:
            image_id: of the image.
            side: largest side in pixels; by default that of the file. Pictures are never enlarged.

        Raises:
            DataError: If there is no such image, or it can no longer be read.
        """
        item = self.item(image_id)
        try:
            opened = open_image(item)
            if side is not None and opened.format == "JPEG":
                # Decodes a large photo at 1/2, 1/4 or 1/8 of its size, never below what is needed.
                opened.draft(None, (side, side))
            picture = upright(opened, 1 if is_grey(opened) else 3)
        except Exception as error:  # image decoders raise whatever they like
            raise DataError(
                f"{self.listing.name}: image {image_id!r} could be read at first, but no longer "
                f"({failure_reason(error)})"
            ) from error
        if side is not None:
            picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        return picture

    def thumbnail(self, image_id: str, side: int, kind: Format = "jpeg") -> bytes:
        """The bytes of a picture whose largest side is at most ``side`` pixels; arguments as of ``image``."""
        stream = io.BytesIO()
        picture = self.image(image_id, side)
        lossless = kind == "webp" and max(picture.size) <= LOSSLESS_UP_TO
        picture.save(stream, kind.upper(), **({"lossless": True} if lossless else {"quality": QUALITY}))
        return stream.getvalue()


def open_pictures(folder: str | Path, data: Any = None, *, exact: bool = False) -> RunPictures:
    """Open the data that a finished run was trained on, as its folder says; decoded on demand.

    It must be the same data: the images are found by their ids, or where ``labelmend apply --move`` has moved
    them, and their labels are compared with those of the run. Files are known by their names, so those that
    are still there are shown where others have gone or been relabelled, and ``RunPictures.notice`` says so.
    Images that are known by their places alone (arrays, rows of a table that hold pictures) must all be
    there, with the labels they had.

    Args:
        folder: of a finished run.
        data: the training images, if they were in memory, or have moved.
        exact: whether the pixels of images without names are compared, too, which decodes all of them: for
            what leaves labels behind, and not only looks.

    Raises:
        RunError: If the folder holds no finished run; if the data were in memory and are not given, or have
            gone, cannot be read, or are others.
    """
    folder = Path(folder)
    run_folder.require_finished(folder)
    source, settings = find_data(folder, data)
    if source is None:
        raise RunError(f"the images of {folder} were in memory, and no run keeps a copy of them")
    wanted = settings.data
    try:
        listing = _listing(source, wanted)
    except DataError as error:
        raise RunError(f"the data of {folder} cannot be opened: {error}") from error
    table = read_parquet(folder / run_folder.VERDICTS_PARQUET)
    model = read_record(folder / run_folder.MODEL_INFO, ModelRecord)
    moved = _moved(folder, listing)
    rows = {image_id: row for row, image_id in enumerate(listing.ids)} | moved
    there = table[table["id"].isin(rows)]
    found = {image_id: rows[image_id] for image_id in there["id"]}
    # The labels of images that were moved are those of their new folders.
    stayed = there[~there["id"].isin(moved)]
    kept = [found[image_id] for image_id in stayed["id"]]
    changes = [
        _gone(len(table) - len(there), len(table)),
        _relabelled(listing, kept, stayed, model["classes"], wanted),
    ]
    notice = "; ".join(change for change in changes if change)
    by_name = bool(found) and all(listing.paths[row] for row in found.values())
    if not found or (notice and not by_name):
        raise RunError(f"the data of {folder} is not what it was trained on: {listing.name}: {notice}")
    if exact:
        check_pixels(folder, source, settings, listing)
    return RunPictures(
        listing,
        found,
        _range(wanted.pixel_range or model.get("pixel_range")),
        f"{listing.name} has changed since the run: {notice}" if notice else "",
    )


def pictures_of(data: Any, wanted: DataSettings, pixel_range: Sequence[float] | None = None) -> RunPictures:
    """The pictures of data that a run in memory was trained on.

    Args:
        data: the training images.
        wanted: how they are read.
        pixel_range: values that became black and white in images of more than 8 bits.

    Raises:
        DataError: If they cannot be opened.
    """
    listing = _listing(data, wanted)
    rows = {image_id: row for row, image_id in enumerate(listing.ids)}
    return RunPictures(listing, rows, _range(wanted.pixel_range or pixel_range))


def _listing(source: Any, wanted: DataSettings) -> Listing:
    return sources.read_listing(source, split=wanted.split, labels=wanted.labels, **reading_of(wanted))


def _range(ends: Sequence[float] | None) -> PixelRange | None:
    return (ends[0], ends[1]) if ends else None


def _moved(folder: Path, listing: Listing) -> dict[str, int]:
    """Rows of images that ``labelmend apply --move`` has moved, by the ids they had before."""
    before = moved_images(folder)
    # Ids of images in class folders are their names from the folder of the source.
    return {before[image_id]: row for row, image_id in enumerate(listing.ids) if image_id in before}


def _gone(missing: int, total: int) -> str:
    return f"{missing:,} of {total:,} images are no longer there" if missing else ""


def _relabelled(
    listing: Listing, rows: list[int], table: pd.DataFrame, classes: list[str], wanted: DataSettings
) -> str:
    """What to say if labels are others than in a table of verdicts, whose rows are ``rows`` of the listing.

    Where noise was added to labels, what they were before stands in the table as the true ones; where a
    person had decided on some, these decisions do.
    """
    noisy = wanted.noise is not None
    column = "true_label" if noisy else "given_label"
    labels = listing.true_labels if noisy and listing.true_labels is not None else listing.labels
    if labels is None:
        return "the images have no labels now"
    try:
        index = encode_labels([labels[row] for row in rows], classes, listing.name)
    except DataError as error:
        return f"the labels are others ({error})"
    now, before = np.asarray(classes, dtype=object)[index], table[column].to_numpy(dtype=object)
    differ = now != before
    if wanted.decisions is not None and not noisy:
        decided = _decided(Path(wanted.decisions), table["id"].tolist(), listing.name)
        differ &= np.array(
            [
                decided is not None and decided.get(identity) != label
                for identity, label in zip(table["id"], before, strict=True)
            ]
        )
    other = np.flatnonzero(differ)
    if not len(other):
        return ""
    first = other[0]
    return (
        f"{len(other):,} labels are others, first that of {table['id'].iloc[first]}, which was "
        f"{before[first]!r} and is {now[first]!r}"
    )


def _decided(reviewed: Path, ids: Sequence[str], name: str) -> dict[str, str] | None:
    """Labels by id that a person had decided on in a run; None where that cannot be known any more."""
    try:
        return verified_labels(reviewed, set(ids), name)[0]
    except LabelmendError:
        return None
