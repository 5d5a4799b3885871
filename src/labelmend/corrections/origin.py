"""The labels of a run's images as they stand in their source now, compared with what the run was given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from labelmend.config import TRUSTED, DataSettings
from labelmend.corrections.held_out import held_out
from labelmend.data import sources
from labelmend.data.assemble import class_names_of
from labelmend.data.labels import encode_labels
from labelmend.data.listing import Listing
from labelmend.data.tables import read_table
from labelmend.errors import DataError, RunError
from labelmend.runs import folder as run_folder
from labelmend.runs.jobs import reading_of
from labelmend.runs.verified import verified_labels

_NEXT = "nothing was changed; train again on the data as it is (labelmend fit)"


@dataclass(frozen=True)
class Origin:
    """The images that a run was trained on, as their source lists them now.

    Attributes:
        listing: all images of the source, those that the run could not read included.
        labels: class name of each, as it is written there.
        class_names: in index order.
        held_out: whether each is marked as one to test or validate on.
    """

    listing: Listing
    labels: list[str]
    class_names: list[str]
    held_out: list[bool]


def open_origin(source: str, wanted: DataSettings) -> Origin:
    """List the images of a run again.

    Args:
        source: where they come from.
        wanted: how they were read.

    Raises:
        DataError: If the source is no longer there, or is faulty.
    """
    reading = reading_of(wanted)
    listing = sources.read_listing(source, split=wanted.split, labels=wanted.labels, **reading)
    own = listing
    if wanted.labels is not None:
        own = sources.read_listing(source, split=wanted.split, **reading)
    names = class_names_of(listing)
    if listing.labels is None or names is None:
        raise DataError(f"{source}: the images have no labels")
    labels = [names[label] for label in encode_labels(listing.labels, names, listing.name)]
    marked = held_out(own, wanted.split)
    if listing is not own:
        marked = [a or b for a, b in zip(marked, held_out(listing, wanted.split), strict=True)]
    return Origin(listing, labels, names, marked)


def check_same(origin: Origin, verdicts: pd.DataFrame, wanted: DataSettings, folder: Path) -> dict[str, str]:
    """Refuse labels for other images than the run judged, or for images that have other labels by now.

    Args:
        origin: the images now.
        verdicts: of the run.
        wanted: how it read its data.
        folder: of the run.

    Returns:
        Labels by id that a person had decided on before the run; those of images that it was scored by are in
        no verdict.

    Raises:
        RunError: With the first image that has gone, is new, or has another label.
    """
    name = origin.listing.name
    now = dict(zip(origin.listing.ids, origin.labels, strict=True))
    noisy = wanted.noise is not None
    if noisy and origin.listing.true_labels is not None:
        true = encode_labels(origin.listing.true_labels, origin.class_names, name)
        now = {
            identity: origin.class_names[label]
            for identity, label in zip(origin.listing.ids, true, strict=True)
        }
    decided = {} if wanted.decisions is None else verified_labels(Path(wanted.decisions), now, name)[0]
    now |= decided
    expected = verdicts["true_label" if noisy else "given_label"]
    for identity, before in zip(verdicts["id"], expected, strict=True):
        if identity not in now:
            raise RunError(
                f"{name} has no image {identity!r} any more, but the run was trained on it; {_NEXT}"
            )
        if now[identity] != before:
            raise RunError(
                f"{name}: image {identity!r} is labelled {now[identity]!r} by now, but was {before!r} when "
                f"the run was trained; {_NEXT}"
            )
    known = set(verdicts["id"])
    if wanted.test == TRUSTED:
        flags = origin.listing.trusted or [False] * len(origin.listing)
        known |= decided.keys() | {i for i, flag in zip(origin.listing.ids, flags, strict=True) if flag}
    _refuse_new(origin.listing, known, wanted.limit, folder)
    return decided


def _refuse_new(listing: Listing, known: set[str], limit: int | None, folder: Path) -> None:
    skipped = folder / run_folder.SKIPPED
    unread = set(read_table(skipped).columns["path"]) if skipped.is_file() else set()
    for identity, path in list(zip(listing.ids, listing.paths, strict=True))[:limit]:
        if identity not in known and not {identity, path, PurePosixPath(path).as_posix()} & unread:
            raise RunError(f"{listing.name} has an image {identity!r}, which the run has not seen; {_NEXT}")
