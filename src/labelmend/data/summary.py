"""What a data set holds: images by split and class, and how noisy its labels are, where that is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from labelmend.data.assemble import check_training_set, class_names_of, refuse_equal_names
from labelmend.data.benchmarks import BENCHMARKS, is_named
from labelmend.data.labels import (
    encode_labels,
    list_classes,
    sort_class_names,
    warn_of_near_names,
    warn_of_no_names,
)
from labelmend.data.listing import Listing
from labelmend.data.readers import Request
from labelmend.data.sources import Reading, read_listing, request_of, splits_of
from labelmend.data.splits import standard_split
from labelmend.errors import DataError, UnlabelledError


@dataclass(frozen=True)
class Summary:
    """Counts of a data set.

    Attributes:
        title: its full name.
        folder: where a named data set was found, or None: it was not, or needs no folder.
        class_names: its C classes in index order; those that training lacks come last.
        class_counts: by split, int64 array of shape (C,): images of each given class.
        noise_rate: measured share of wrong training labels, or None where true labels are not known.
        noise: what else is known of the noise, or "".
        problems: what is missing, one line each; the splits it is missing from cannot be loaded.
        notes: what was assumed or left out, or differs from the official release.
        home: where to get it, or "".
        refused: why ``labelmend fit`` does not train on it, or "". Of a named data set it is a problem.
    """

    title: str
    folder: Path | None
    class_names: list[str]
    class_counts: dict[str, np.ndarray]
    noise_rate: float | None = None
    noise: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    home: str = ""
    refused: str = ""


def wrong_share(listing: Listing) -> float | None:
    """Share of given labels that differ from the true ones, or None where those are not known."""
    if listing.labels is None or listing.true_labels is None or not listing.labels:
        return None
    pairs = zip(listing.labels, listing.true_labels, strict=True)
    return sum(str(given) != str(true) for given, true in pairs) / len(listing)


def _class_counts(listing: Listing, class_names: list[str]) -> np.ndarray:
    encoded = encode_labels(listing.labels or [], class_names, listing.name)
    return np.bincount(encoded, minlength=len(class_names))


def _unknown(listing: Listing, split: str, class_names: list[str]) -> tuple[list[str], str]:
    """Classes of a split that training lacks, and a note of them; none if each label is one of a class."""
    labels = listing.labels or []
    try:
        encode_labels(labels, class_names, listing.name)
        return [], ""
    except DataError:
        known = set(class_names)
    rows = [row for row, label in enumerate(labels) if str(label) not in known]
    counts = Counter(str(labels[row]) for row in rows)
    if len(set(labels)) == 1:
        # As ``assemble`` has it.
        note = f"the {split} split is taken for unlabelled, as training lacks its only class, {labels[0]!r}"
    else:
        note = (
            f"the {split} split has classes that training lacks, and labelmend fit refuses to test on it: "
            f"{list_classes([f'{unknown} ({count:,})' for unknown, count in counts.items()])}, first "
            f"{listing.paths[rows[0]] or listing.ids[rows[0]]}; give these classes images to train on, or "
            "leave it out with --test none"
        )
    return sort_class_names(counts), note


def _refusal(listing: Listing, request: Request) -> str:
    """Why nothing can be trained on the images that are asked for, or ""; the same is warned of as there."""
    try:
        request.refuse_unused(listing)
        names = class_names_of(listing)
        if listing.labels is None or names is None:
            raise DataError(f"{listing.name}: the images have no labels; give a file of labels with --labels")
        if not len(listing):
            raise DataError(f"{listing.name}: there are no images")
        refuse_equal_names(names, listing.name)
        warn_of_near_names(names, listing.name)
        warn_of_no_names(names, listing.name)
        check_training_set(encode_labels(listing.labels, names, listing.name), names, listing.name, None)
    except DataError as error:
        return str(error)
    return ""


def summarise(
    name: str, *, split: str | None = None, labels: str | Path | None = None, **reading: Unpack[Reading]
) -> Summary:
    """Verify a named data set, or list any other source, and count. No image is decoded.

    Args:
        name: the name of a data set, or a path that ``load`` reads.
        split: which is trained on; by default ``train`` where there are splits. Of a named data set all are
            verified.
        labels: file whose labels replace those of the images that are trained on; not of a named data set.
        **reading: how it is read; see ``Reading``.

    Raises:
        DataError: If the source is not named and cannot be listed. Problems of a named data set are
            returned, not raised.

    Warns:
        LabelmendWarning: Of what training warns of, as far as it shows without the pixels.
    """
    if is_named(name):
        return _summarise_benchmark(name, reading)
    parts = splits_of(name)
    trained = standard_split(split or "train")
    listings: dict[str, Listing] = {}
    notes: list[str] = []
    if not parts:
        listings["all"] = read_listing(name, labels=labels, **reading)
    for part in parts:
        try:
            listings[part] = read_listing(
                name, split=part, labels=labels if part == trained else None, **reading
            )
        except UnlabelledError as error:
            if part == trained:
                raise
            notes.append(f"the {part} split has no labels: {error}")
    first = listings.get(trained, next(iter(listings.values())))
    # What is trained on was listed above, unless it has to be asked for otherwise.
    listed = listings.get(trained if parts else "all") if parts or split is None else None
    try:
        if listed is None:
            listed = read_listing(name, split=split, labels=labels, **reading)
        refused = _refusal(listed, request_of(split, reading, labels))
    except DataError as error:
        refused = str(error)
    class_names = class_names_of(first) or []
    for part, listing in listings.items():
        unknown, note = _unknown(listing, part, class_names)
        class_names = [*class_names, *unknown]
        notes += [note] if unknown else []
    counts = {split: _class_counts(listing, class_names) for split, listing in listings.items()}
    notes = [*first.notes, *notes]
    if first.skipped:
        left_out = first.skipped[0]
        notes.append(f"{len(first.skipped):,} left out, the first is {left_out.path}: {left_out.reason}")
    return Summary(name, None, class_names, counts, wrong_share(first), notes=tuple(notes), refused=refused)


def _summarise_benchmark(name: str, reading: Reading) -> Summary:
    benchmark = BENCHMARKS[name]
    found = benchmark.verify(reading.get("root"))
    class_names: list[str] = []
    counts: dict[str, np.ndarray] = {}
    for split, listing in found.listings.items():
        request_of(None, reading).refuse_unused(listing)
        class_names = class_names or class_names_of(listing) or []
        counts[split] = _class_counts(listing, class_names)
    return Summary(
        title=benchmark.title,
        folder=found.folder,
        class_names=class_names,
        class_counts=counts,
        noise_rate=found.noise_rate,
        noise=benchmark.noise,
        problems=tuple(found.problems),
        notes=tuple(found.notes),
        home=benchmark.home,
    )
